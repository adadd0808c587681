"""podman by its command line: missing and unreachable are never confused."""

import subprocess
from ipaddress import IPv4Network
from typing import Any

import pytest

from lab import podman
from lab.errors import LabError


def answering(monkeypatch: pytest.MonkeyPatch, status: int, stdout: str = "", stderr: str = "") -> list[list[str]]:
    """Let podman answer this; the list fills with what it was asked."""
    calls: list[list[str]] = []

    def run(argv: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(argv)
        return subprocess.CompletedProcess(argv, status, stdout, stderr)

    monkeypatch.setattr(podman, "run", run)
    return calls


@pytest.mark.parametrize(("status", "expected"), [(0, True), (1, False)])
def test_exists_reads_the_exit_status(monkeypatch: pytest.MonkeyPatch, status: int, expected: bool) -> None:
    answering(monkeypatch, status)
    assert podman.exists("container", "lab-db1") is expected


@pytest.mark.parametrize("status", [125, 126, 127, 2])
def test_an_unreachable_podman_is_never_missing(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    answering(monkeypatch, status, stderr="Cannot connect to Podman")
    with pytest.raises(LabError, match=r"podman does not answer.*lab-db1.*Cannot connect to Podman.*make up"):
        podman.inspect("container", "lab-db1")


def test_the_socket_is_the_labs_whatever_podman_the_shell_is_set_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    environments: list[dict[str, str]] = []

    def run(argv: list[str], *, env: dict[str, str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert argv[:3] == ["podman", "--url", "unix:///run/freelance-lab/podman.sock"]
        environments.append(env)
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr(podman, "run", run)
    monkeypatch.setenv("CONTAINER_HOST", "unix:///elsewhere")
    monkeypatch.setenv("CONTAINER_CONNECTION", "elsewhere")
    podman.exists("network", "lab")
    assert environments[0]["PATH"]
    assert not [name for name in environments[0] if name.startswith("CONTAINER_")]


def test_only_containers_with_the_labs_label_are_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answering(monkeypatch, 0, stdout="[]")
    podman.hosts()
    podman.hosts("molecule")
    assert [call[-1] for call in calls] == ["label=freelance.network", "label=freelance.network=molecule"]
    words = host().arguments()
    assert words[words.index("freelance.network=lab") - 1] == "--label"


def test_a_network_that_exists_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answering(monkeypatch, 0)
    podman.ensure_network("lab", IPv4Network("10.99.0.0/24"))
    assert [call[3:5] for call in calls] == [["network", "exists"]]


def host(**changes: Any) -> podman.HostSpec:
    """A host as the provider declares it."""
    values: dict[str, Any] = {
        "name": "lab-db1",
        "hostname": "db1",
        "network": "lab",
        "address": "10.99.0.11",
        "image": "localhost/lab/trixie:host",
        "authorized_key": "ssh-ed25519 AAAA key",
        "apt_proxy": "http://10.99.0.1:3142",
    }
    return podman.HostSpec(**{**values, **changes})


def test_the_mac_address_follows_from_the_address() -> None:
    assert host().mac_address == "02:0a:0a:63:00:0b"
    assert host(address="10.99.0.12").mac_address != host().mac_address


def test_a_host_may_mount_where_podmans_apparmor_profile_forbids_it() -> None:
    words = host().arguments()
    assert "apparmor=unconfined" in [words[at + 1] for at, word in enumerate(words) if word == "--security-opt"]


def test_a_host_is_never_privileged_and_gets_its_own_devices_only() -> None:
    devices = (podman.Device(source="/dev/loop200", target="/dev/lab/db1-data"),)
    words = host(devices=devices).arguments()
    assert "--privileged" not in words
    assert words[words.index("--device") + 1] == "/dev/loop200:/dev/lab/db1-data:rwm"
    assert words.count("--device") == 1
    assert words[-1] == "localhost/lab/trixie:host"
