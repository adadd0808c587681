"""What the lab refuses, with value, limit and remedy."""

from pathlib import Path

import pytest

from lab import machine, network, preflight
from lab.errors import LabError

CGROUP2 = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"
HYBRID = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"


def test_too_little_disk_names_what_is_free_and_what_is_needed() -> None:
    with pytest.raises(LabError, match=r"/srv has 14 GiB free and the lab needs 15 GiB: free some"):
        preflight.refuse_small_disk(Path("/srv"), free_bytes=15 * 1024**3 - 1)


def test_enough_disk_is_accepted() -> None:
    preflight.refuse_small_disk(Path("/srv"), free_bytes=15 * 1024**3)


def test_the_limit_of_the_disk_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_DISK_FREE_GIB_MIN", "1")
    preflight.refuse_small_disk(Path("/srv"), free_bytes=1024**3)


def test_somebody_without_root_and_sudo_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LabError, match="neither root"):
        preflight.refuse_no_root(uid=1000)


def test_root_is_accepted() -> None:
    preflight.refuse_no_root(uid=0)


@pytest.mark.parametrize("target", ["10.99.0.0/24", "10.99.0.7", "10.0.0.0/8", "10.99.255.0/24"])
def test_a_foreign_route_over_the_lab_is_refused(target: str) -> None:
    with pytest.raises(LabError, match=rf"already routed on this machine \({target} dev tun0\)"):
        network.refuse_taken_routes([{"dst": target, "dev": "tun0"}])


def test_own_and_unrelated_routes_are_fine() -> None:
    network.refuse_taken_routes(
        [
            {"dst": "default", "dev": "eth0"},
            {"dst": "10.100.0.0/16", "dev": "tun0"},
            {"dst": "fd00::/64", "dev": "eth0"},
            {"dst": "10.99.0.0/24", "dev": "lab-out"},
            {"type": "blackhole", "dst": "10.99.0.0/24"},
            {"dst": "10.99.0.0/24", "dev": "podman1"},
        ]
    )


@pytest.mark.parametrize(
    ("mounts", "systemd", "sandbox"),
    [(CGROUP2, True, False), (CGROUP2, False, True), (HYBRID, True, True), (HYBRID, False, True), ("", False, True)],
)
def test_only_systemd_with_a_plain_cgroup_tree_does_without_the_sandbox(
    mounts: str, systemd: bool, sandbox: bool, tmp_path: Path
) -> None:
    folder = tmp_path if systemd else tmp_path / "missing"
    assert machine.detect(mounts, folder).sandbox is sandbox


def test_the_cgroup2_tree_is_found_wherever_it_is() -> None:
    assert machine.cgroup2_mount(HYBRID) == Path("/sys/fs/cgroup/unified")
    assert machine.cgroup2_mount("") is None
