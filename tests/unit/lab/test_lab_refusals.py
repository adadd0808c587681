"""What the lab refuses, with value, limit and remedy."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from lab import disk, machine, network, preflight, volumes
from lab.errors import LabError

CGROUP2 = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"
HYBRID = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"


def free(monkeypatch: pytest.MonkeyPatch, gib: float) -> None:
    """Let every disk have this much room."""
    monkeypatch.setattr("lab.disk.shutil.disk_usage", lambda _: SimpleNamespace(free=int(gib * volumes.GIB)))


def wanting(folder: Path) -> list[disk.Need]:
    """Fifteen GiB in all, in a folder that is not made yet."""
    return [
        disk.Need(what="volumes", folder=folder / "missing" / "too", gib=8),
        disk.Need(what="engine build", folder=folder, gib=7),
    ]


def test_too_little_disk_names_what_is_free_and_what_takes_how_much(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    free(monkeypatch, 14.9)
    message = rf"{tmp_path} has 14.9 GiB free and the lab needs 15 GiB more \(volumes 8, engine build 7\): free some"
    with pytest.raises(LabError, match=message):
        disk.refuse_small(wanting(tmp_path))


def test_enough_disk_is_accepted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    free(monkeypatch, 15)
    disk.refuse_small(wanting(tmp_path))


def test_the_cache_on_a_disk_of_its_own_is_asked_for_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 3)
    two = [disk.Need(what="a", folder=Path("/proc"), gib=2), disk.Need(what="b", folder=Path("/"), gib=2)]
    disk.refuse_small(two)
    with pytest.raises(LabError, match=r"/ has 3 GiB free .* 4 GiB more \(b 2, b 2\)"):
        disk.refuse_small([two[1], two[1]])


def test_what_is_there_already_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CACHE", "ROOT", "STATE", "VOLUMES"):
        monkeypatch.setattr(disk, name, tmp_path / name)
    monkeypatch.setattr("lab.disk.environment.STAMP", tmp_path / "stamp")
    monkeypatch.setattr("lab.disk.image.tar_path", lambda: tmp_path / "image.tar")
    monkeypatch.setattr("lab.disk.volumes.names", list)
    monkeypatch.setenv("PATH", "")
    first = {need.what: need.gib for need in disk.needs()}
    assert sum(first.values()) == pytest.approx(15), "what the repository's README says"
    for there in (
        "stamp",
        "image.tar",
        "CACHE/engine/1/VERSION",
        "CACHE/apt/cache/x",
        "STATE/storage/overlay-images/x",
    ):
        (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / there).touch()
    (tmp_path / "VOLUMES").mkdir()
    (tmp_path / "VOLUMES" / "a.img").write_bytes(b"x" * 4 * 1024**2)
    left = {need.what: need.gib for need in disk.needs()}
    assert list(left) == ["volumes"]
    assert left["volumes"] == pytest.approx(7 - 4 / 1024)


def test_the_limit_of_the_disk_can_be_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    free(monkeypatch, 1)
    monkeypatch.setenv("LAB_DISK_FREE_GIB_MIN", "1")
    disk.refuse_small(wanting(tmp_path))
    monkeypatch.setenv("LAB_DISK_FREE_GIB_MIN", "999999")
    with pytest.raises(LabError, match="needs 999999 GiB"):
        disk.refuse_small([])


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
