"""The provider's values and checks; its making and removing is proven on real hosts (tests/lab)."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi.provider.experimental import provider as api
from pulumi.provider.experimental.property_value import Computed, PropertyValue

from lab import podman, processes, volumes
from lab.errors import LabError
from lab.paths import ROOT
from lab.provider import parent, resources, server
from lab.provider.values import Unknown, plain, wrapped

NETWORK, VOLUME, HOST = (resources.HANDLERS[f"freelance:lab:{kind}"] for kind in ("Network", "Volume", "Host"))


def test_values_survive_the_way_to_pulumi_and_back() -> None:
    values: dict[str, Any] = {"size_gib": 4, "running": True, "volumes": [{"name": "v", "device": "/d"}], "none": None}
    back = plain(wrapped(values))
    assert back == values
    assert isinstance(back["size_gib"], int)
    assert back["running"] is True


def test_what_the_engine_adds_is_left_out_and_what_is_unknown_stays_unknown() -> None:
    found = plain({"__defaults": PropertyValue([]), "address": PropertyValue(Computed())})
    assert list(found) == ["address"]
    assert isinstance(found["address"], Unknown)


@pytest.mark.parametrize(
    ("handler", "old", "new", "refused"),
    [
        (NETWORK, {}, {"name": "lab", "subnet": "10.99.0.0/24"}, set()),
        (NETWORK, {}, {"name": "lab", "subnet": "10.1.0.0/24"}, {"subnet"}),
        (NETWORK, {}, {"name": "Lab_1", "subnet": "10.99.0.0/24"}, {"name"}),
        (VOLUME, {}, {"name": "lab-db1-data", "size_gib": 4}, set()),
        (VOLUME, {}, {"name": "lab-db1-data", "size_gib": 0}, {"size_gib"}),
        (VOLUME, {"size_gib": 4}, {"name": "lab-db1-data", "size_gib": 3}, {"size_gib"}),
        (VOLUME, {"size_gib": 4}, {"name": "lab-db1-data", "size_gib": 5}, set()),
        (HOST, {}, {"name": "lab-db1", "address": "10.99.0.11"}, set()),
        (HOST, {}, {"name": "lab-db1", "address": "192.0.2.1"}, {"address"}),
        (HOST, {}, {"name": "lab-db1;x", "address": "10.99.0.11"}, {"name"}),
        (HOST, {}, {"name": Unknown(), "address": Unknown()}, set()),
    ],
)
def test_inputs_are_checked_by_property(
    handler: resources.Handler, old: dict[str, Any], new: dict[str, Any], refused: set[str]
) -> None:
    assert set(handler.check(old, new)) == refused


def test_an_input_that_is_not_known_yet_counts_as_changed() -> None:
    assert resources.changed_inputs({"a": 1, "b": 2}, {"a": 1, "b": Unknown()}) == ["b"]


def test_a_stopped_host_differs_and_a_removed_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, Any] = {
        "Config": {"Hostname": "db1", "Labels": {"freelance.network": "lab", "freelance.address": "10.99.0.11"}},
        "State": {"Status": "exited"},
    }
    state = {"name": "lab-db1", "address": "10.99.0.11", "known_hosts_file": "/dev/null"}
    monkeypatch.setattr(podman, "inspect", lambda *_: found)
    assert HOST.drifted(state) == ["running", "trusted"]
    monkeypatch.setattr(podman, "inspect", lambda *_: None)
    assert HOST.drifted(state) == ["name"]


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """State of a volume whose file is missing."""
    monkeypatch.setattr(volumes, "VOLUMES", tmp_path)
    monkeypatch.setattr(volumes, "run", lambda *_, **__: pytest.fail("something was changed"))
    return {"name": "lab-db1-data", "size_gib": 1, "attached": True}


def test_a_lost_volume_is_neither_gone_nor_made_again(lost: dict[str, Any], tmp_path: Path) -> None:
    """A refresh would drop it although it is protected, and `up` would put an empty one in its place."""
    for use in (VOLUME.read, VOLUME.drifted, VOLUME.update):
        with pytest.raises(LabError, match=r"volume lab-db1-data has lost its file .*put the file back"):
            use(lost)
    assert list(tmp_path.iterdir()) == []


def test_a_volume_whose_removal_was_killed_is_gone(lost: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any, **__: Any) -> subprocess.CompletedProcess[str]:
        raise KeyboardInterrupt

    volumes.file_of("lab-db1-data").touch()
    monkeypatch.setattr(volumes, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        VOLUME.delete(lost)
    assert volumes.file_of("lab-db1-data").exists()
    volumes.file_of("lab-db1-data").unlink()
    assert VOLUME.read(lost) is None
    assert VOLUME.drifted(lost) == ["name"]


def test_a_lost_volume_can_be_removed(lost: dict[str, Any]) -> None:
    VOLUME.delete(lost)


def test_an_unreachable_podman_is_an_error_of_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any) -> None:
        raise LabError("podman does not answer")

    monkeypatch.setattr(podman, "exists", unreachable)
    state = {"name": "lab-db1", "address": "10.99.0.11", "known_hosts_file": "/dev/null"}
    for look in (HOST.read, HOST.drifted, NETWORK.read, NETWORK.drifted):
        with pytest.raises(LabError, match="does not answer"):
            look(state)


def test_an_import_is_refused_in_words() -> None:
    request = api.ReadRequest(
        urn="urn:pulumi:lab::freelance-platform::freelance:lab:Volume::db1-data",
        resource_id="lab-db1-data",
        properties={},
        inputs={},
    )
    with pytest.raises(LabError, match=r"lab-db1-data can't be imported: declare it, and `pulumi up` takes over"):
        asyncio.run(server.LabProvider().read(request))


# Stands for the engine: starts the plugin, says its process id once it serves, and waits to be killed.
ENGINE = """
import subprocess, sys, time
plugin = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
plugin.stdout.readline()
print(plugin.pid, flush=True)
time.sleep(3600)
"""


@pytest.fixture
def engine() -> Iterator[subprocess.Popen[str]]:
    """An engine that has started the plugin."""
    command = [sys.executable, "-c", ENGINE, str(ROOT / "lab/provider/pulumi-resource-freelance"), "127.0.0.1:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_the_plugin_ends_with_an_engine_that_was_killed(engine: subprocess.Popen[str]) -> None:
    assert engine.stdout is not None
    plugin = int(engine.stdout.readline())
    assert processes.start_time(plugin) is not None
    engine.kill()
    engine.wait()
    deadline = time.monotonic() + 30
    while processes.start_time(plugin) is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes.start_time(plugin) is None


def test_programs_that_the_plugin_waits_for_are_known() -> None:
    with subprocess.Popen(["sleep", "3600"]) as waiting:
        try:
            assert waiting.pid in parent._children()
        finally:
            waiting.kill()
