"""What of the lab is started again, shut down and taken away, whatever state it is in; no process is touched."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab import podman, processes, sandbox, stack
from lab.commands import destroy, down
from lab.errors import LabError
from lab.paths import ROOT

ALL = {"apt-cache", "apt-forward", "podman", "sandbox", "sandbox-inner", "apt-lab", "apt-molecule", "apt-proof"}


class Lab:
    """The lab of this clone as a set of names that run, and what was done to it, in order."""

    def __init__(self) -> None:
        self.running = set(ALL)
        self.done: list[str] = []
        self.answers = True
        self.sandboxed = True

    def end(self, name: str, **_: Any) -> None:
        """As lab.processes.end."""
        if name in self.running:
            self.running.remove(name)
            self.done.append(f"end {name}")

    def start(self, what: str, *names: str) -> None:
        """Have something running from now on."""
        self.running.update(names)
        self.done.append(f"start {what}")
        self.answers = True

    def start_apt(self) -> None:
        """As lab.aptcache.up."""
        if not {"apt-cache", "apt-forward"} <= self.running:
            self.start("apt", "apt-cache", "apt-forward")

    def say(self, argv: list[str], **_: Any) -> SimpleNamespace:
        """As lab.shell.run, for `podman version`."""
        assert argv[-1] == "version"
        if not self.answers:
            raise LabError("no answer within 30 s")
        return SimpleNamespace(returncode=0)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lab:
    made = Lab()
    (tmp_path / "storage").mkdir()
    (tmp_path / "owner").write_text(f"{tmp_path}\n")
    for name, value in {"STATE": tmp_path, "RUN": tmp_path, "OWNER": tmp_path / "owner"}.items():
        monkeypatch.setattr(sandbox, name, value)
    monkeypatch.setattr(sandbox, "PODMAN_SOCKET", tmp_path / "podman.sock")
    monkeypatch.setattr(processes, "running", lambda name: 1 if name in made.running else None)
    monkeypatch.setattr(processes, "end", made.end)
    monkeypatch.setattr(sandbox, "run", made.say)
    monkeypatch.setattr("lab.machine.detect", lambda: SimpleNamespace(sandbox=made.sandboxed, reason=""))
    monkeypatch.setattr("lab.podman_settings.write", lambda: None)
    monkeypatch.setattr("lab.network.unlink", lambda: None)
    monkeypatch.setattr(sandbox, "_remove_cgroup", lambda: None)
    monkeypatch.setattr("lab.aptcache.up", made.start_apt)
    monkeypatch.setattr(sandbox, "_start_sandbox", lambda: made.start("sandbox", "sandbox", "sandbox-inner"))
    monkeypatch.setattr(sandbox, "_start_plain_forwards", lambda: made.start("forwards", *ALL - {"sandbox"}))
    monkeypatch.setattr(sandbox, "_start_podman", lambda **_: made.start("podman", "podman"))
    return made


def test_a_lab_that_runs_is_left_alone(lab: Lab) -> None:
    assert sandbox.up() is False
    assert lab.done == []


@pytest.mark.parametrize("dead", ["apt-cache", "apt-forward"])
def test_a_dead_apt_cache_is_started_again_and_no_host_notices(lab: Lab, dead: str) -> None:
    lab.running.remove(dead)
    assert sandbox.healthy() is False
    assert sandbox.up() is True
    assert lab.done == ["start apt"]


def test_a_dead_podman_is_started_again_in_the_sandbox_that_lives(lab: Lab) -> None:
    lab.running.remove("podman")
    sandbox.up()
    assert lab.done == ["start podman"]


def test_a_podman_that_hangs_is_unhealthy_and_replaced(lab: Lab) -> None:
    lab.answers = False
    assert sandbox.healthy() is False
    sandbox.up()
    assert lab.done == ["end podman", "start podman"]


def test_a_sandbox_in_which_nothing_starts_any_more_is_made_anew(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.running.remove("podman")

    def start_podman(*, again: bool = False) -> None:
        if again:
            raise LabError("podman is not ready")
        lab.start("podman", "podman")

    monkeypatch.setattr(sandbox, "_start_podman", start_podman)
    assert sandbox.up() is True
    hosts_side = [what for what in lab.done if "apt-" not in what]
    assert hosts_side == ["end sandbox-inner", "end sandbox", "start sandbox", "start podman"]


def test_without_its_sandbox_everything_is_started(lab: Lab) -> None:
    lab.running.remove("sandbox-inner")
    sandbox.up()
    hosts_side = [what for what in lab.done if "apt-" not in what]
    assert hosts_side == ["end podman", "end sandbox", "start sandbox", "start podman"]
    assert "apt-cache" in lab.running


def test_the_cgroup_tree_that_the_lab_mounted_is_unmounted_before_its_folder_goes(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands: list[list[str]] = []

    def run(argv: list[Any], **_: Any) -> None:
        assert tmp_path.exists()
        commands.append([str(word) for word in argv])

    monkeypatch.setattr(sandbox, "run", run)
    monkeypatch.setattr("lab.network.unblock", lambda: None)
    monkeypatch.setattr("lab.aptcache.down", lambda: None)
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "cgroup")
    sandbox.forget()
    assert commands == [["umount", str(tmp_path / "cgroup")]]
    assert not tmp_path.exists()
    assert lab.running.isdisjoint({"podman", "sandbox"})


@pytest.mark.parametrize("end", [sandbox.down, sandbox.forget])
def test_what_another_clone_is_about_to_use_is_left_alone(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: Callable[[], None]
) -> None:
    other = tmp_path / "other" / ".lab"
    other.mkdir(parents=True)
    (tmp_path / "owner").write_text(f"{other}\n")
    monkeypatch.setattr("lab.aptcache.down", lambda: lab.done.append("end apt"))
    monkeypatch.setattr("lab.network.unblock", lambda: lab.done.append("unblock"))
    end()
    assert lab.done == []
    other.rmdir()
    end()
    assert "end apt" in lab.done


@pytest.fixture
def stopped(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Hosts are there; the list fills with those that were stopped."""
    names: list[str] = []
    hosts = ("lab-db1", "lab-service1", "molecule-x")

    def answer(network: str | None = None) -> list[dict[str, Any]]:
        assert network is None
        assert "podman" in lab.running
        return [{"Names": [name], "State": "running"} for name in hosts]

    monkeypatch.setattr(podman, "hosts", answer)
    monkeypatch.setattr(podman, "stop_host", names.append)
    monkeypatch.setattr(podman, "stop_unit", lambda name, unit: names.append(f"{unit} of {name}"))
    monkeypatch.setattr(stack, "contract", lambda: {"environment": "lab"})
    monkeypatch.setattr(stack, "hosts", lambda: {"db1": {"serves": []}, "service1": {"serves": ["repository"]}})
    return names


@pytest.mark.parametrize("sandboxed", [True, False])
@pytest.mark.usefixtures("lab")
def test_down_brings_a_dead_podman_back_to_stop_the_hosts_in_order(
    lab: Lab, stopped: list[str], sandboxed: bool
) -> None:
    lab.sandboxed = sandboxed
    lab.running.remove("podman")
    assert down.shut_down() == "3 hosts stopped"
    assert sorted(stopped[1:]) == ["lab-db1", "lab-service1", "molecule-x"]
    assert stopped[0] == "patroni.service of lab-db1", "Patroni ends while every etcd still runs"
    assert stopped[-1] == "lab-service1", "the repository's host goes last: a leader still ships WAL to it"


def test_down_of_a_lab_that_is_down_starts_nothing(lab: Lab, stopped: list[str]) -> None:
    lab.running.clear()
    assert down.shut_down() == "No host was running"
    assert (lab.done, stopped) == ([], [])


@pytest.mark.parametrize("sandboxed", [True, False])
@pytest.mark.usefixtures("stopped")
def test_a_host_that_can_not_be_stopped_is_named_and_refused_where_it_would_run_on(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, sandboxed: bool
) -> None:
    def stop(name: str) -> None:
        if name == "lab-db1":
            raise LabError("podman stop lab-db1: no answer within 60 s")

    lab.sandboxed = sandboxed
    monkeypatch.setattr(podman, "stop_host", stop)
    if sandboxed:
        assert "podman stop lab-db1: no answer" in down.shut_down()
    else:
        with pytest.raises(LabError, match=r"still run:\n  podman stop lab-db1: no answer"):
            down.shut_down()


def test_the_confirmation_names_the_clone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("YES", raising=False)
    monkeypatch.setattr("lab.commands.destroy.sys.stdin", SimpleNamespace(isatty=lambda: False))
    with pytest.raises(LabError, match="nobody is there"):
        destroy._confirm()
    assert f"the lab of {ROOT} " in capsys.readouterr().out


@pytest.mark.parametrize("typed", ["lab", " lab "])
def test_the_typed_name_of_the_lab_confirms(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    confirm(monkeypatch, typed)


@pytest.mark.parametrize("typed", ["", "y", "yes", "Lab", "production"])
def test_nothing_else_that_is_typed_confirms(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    with pytest.raises(LabError, match="not confirmed, nothing was removed"):
        confirm(monkeypatch, typed)


def confirm(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.delenv("YES", raising=False)
    monkeypatch.setattr("lab.commands.destroy.sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda _: typed)
    destroy._confirm()
