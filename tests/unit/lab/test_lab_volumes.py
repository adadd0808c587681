"""Volumes: files that only grow, and loop devices that are this clone's own."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab import volumes
from lab.errors import LabError


class Loops:
    """Loop devices of a machine."""

    def __init__(self, devices: dict[str, str]) -> None:
        self.devices = devices
        self.capacity_bytes: dict[str, int] = {}
        self.calls: list[list[str]] = []

    def run(self, argv: list[str | Path], **_: Any) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in argv]
        self.calls.append(words)
        stdout = ""
        if "--associated" in words:
            # As losetup does: by the file's number, so a removed file's device can be among the answers.
            found = [{"name": name, "back-file": file} for name, file in self.devices.items() if words[-1] in file]
            stdout = json.dumps({"loopdevices": found}) if found else ""
        elif "BACK-FILE" in words:
            stdout = self.devices.get(words[-1], "")
        elif "--noheadings" in words:
            stdout = "\n".join(self.devices)
        elif words[1] == "--detach":
            del self.devices[words[2]]
        elif words[1].startswith("/dev/loop"):
            if words[1] in self.devices:
                return subprocess.CompletedProcess(words, 1, "", "Device or resource busy")
            self.devices[words[1]] = words[2]
            self.capacity_bytes[words[1]] = Path(words[2]).stat().st_size
        elif words[1] == "--set-capacity":
            self.capacity_bytes[words[2]] = Path(self.devices[words[2]]).stat().st_size
        return subprocess.CompletedProcess(words, 0, stdout, "")


@pytest.fixture
def loops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Loops:
    """A machine where somebody else has two loop devices."""
    machine = Loops({"/dev/loop0": "/var/other.img", "/dev/loop200": "/var/another.img"})
    monkeypatch.setattr(volumes, "VOLUMES", tmp_path)
    monkeypatch.setattr(volumes, "run", machine.run)
    monkeypatch.setattr(volumes, "as_root", list)
    monkeypatch.setattr(volumes, "_capacity_bytes", machine.capacity_bytes.__getitem__)
    return machine


def test_a_new_volume_is_sparse_and_has_its_size(loops: Loops, tmp_path: Path) -> None:
    made = volumes.ensure("lab-db1-data", 4)
    status = (tmp_path / "lab-db1-data.img").stat()
    assert (status.st_size, status.st_blocks) == (4 * 1024**3, 0)
    assert made.device == "/dev/loop201"
    assert loops.devices["/dev/loop201"] == str(made.file)


def test_a_volume_that_is_there_keeps_its_data(loops: Loops, tmp_path: Path) -> None:
    volumes.ensure("v", 1)
    with (tmp_path / "v.img").open("r+b") as file:
        file.write(b"data")
    volumes.ensure("v", 1)
    assert (tmp_path / "v.img").open("rb").read(4) == b"data"
    assert sum("v.img" in file for file in loops.devices.values()) == 1


def test_a_volume_gets_its_old_number_after_a_reboot(loops: Loops) -> None:
    first = volumes.ensure("one", 1).device
    second = volumes.ensure("two", 1).device
    loops.devices.clear()
    assert volumes.ensure("two", 1).device == second
    assert volumes.ensure("one", 1).device == first


def test_a_number_that_somebody_else_took_is_refused_with_the_way_out(loops: Loops) -> None:
    device = volumes.ensure("one", 1).device
    assert device is not None
    loops.devices[device] = "/var/foreign.img"
    with pytest.raises(LabError, match=rf"{device}.*volume one.*losetup {device}.*make up"):
        volumes.attach("one")


def test_growth_tells_the_kernel(loops: Loops, tmp_path: Path) -> None:
    device = volumes.ensure("v", 1).device
    volumes.ensure("v", 2)
    assert (tmp_path / "v.img").stat().st_size == 2 * 1024**3
    assert loops.calls[-1] == ["losetup", "--set-capacity", device]


def test_growth_that_was_killed_after_the_file_is_made_up_for(loops: Loops, tmp_path: Path) -> None:
    device = volumes.ensure("v", 1).device
    assert device is not None
    with (tmp_path / "v.img").open("ab") as file:
        file.truncate(2 * 1024**3)
    volumes.ensure("v", 2)
    assert loops.capacity_bytes[device] == 2 * 1024**3
    calls = len(loops.calls)
    volumes.ensure("v", 2)
    assert [call for call in loops.calls[calls:] if call[1] == "--set-capacity"] == []


def test_the_size_of_a_device_is_the_kernels() -> None:
    # Any device of this machine will do; one that is there has a whole number of sectors.
    device = next(Path("/sys/block").iterdir()).name
    sectors = int(Path(f"/sys/block/{device}/size").read_text())
    assert volumes._capacity_bytes(f"/dev/{device}") == sectors * 512


@pytest.mark.usefixtures("loops")
def test_a_lost_file_is_never_attached_as_an_empty_one(tmp_path: Path) -> None:
    volumes.ensure("v", 1)
    (tmp_path / "v.img").unlink()
    with pytest.raises(LabError, match=r"volume v has lost its file .*put the file back.*pulumi state delete"):
        volumes.attach("v")
    assert not (tmp_path / "v.img").exists()


def test_a_new_file_takes_over_nothing_of_a_lost_one(loops: Loops, tmp_path: Path) -> None:
    old = volumes.ensure("v", 1).device
    assert old is not None
    (tmp_path / "v.img").unlink()
    loops.devices[old] = f"{tmp_path}/v.img (deleted)"
    made = volumes.ensure("v", 1)
    assert made.device is not None
    assert loops.devices[made.device] == str(tmp_path / "v.img")
    assert [device for device, file in loops.devices.items() if "deleted" in file] == []
    assert set(loops.devices) == {"/dev/loop0", "/dev/loop200", made.device}


def test_a_volume_that_was_removed_is_not_lost_and_may_be_made_again(loops: Loops, tmp_path: Path) -> None:
    first = volumes.ensure("v", 1)
    volumes.remove("v")
    assert not volumes.is_lost("v")
    assert first.device not in loops.devices
    volumes.ensure("v", 1)
    (tmp_path / "v.img").unlink()
    assert volumes.is_lost("v")


def test_a_device_that_somebody_else_took_is_left_alone_by_a_new_file(loops: Loops, tmp_path: Path) -> None:
    old = volumes.ensure("v", 1).device
    assert old is not None
    (tmp_path / "v.img").unlink()
    loops.devices[old] = "/var/foreign.img"
    assert volumes.ensure("v", 1).device not in (None, old)
    assert loops.devices[old] == "/var/foreign.img"


def test_shrinking_is_refused_and_changes_nothing(loops: Loops, tmp_path: Path) -> None:
    volumes.ensure("v", 2)
    calls = len(loops.calls)
    with pytest.raises(LabError, match="volume v has 2 GiB and XFS can't shrink, so 1 GiB is refused"):
        volumes.ensure("v", 1)
    assert (tmp_path / "v.img").stat().st_size == 2 * 1024**3
    assert len(loops.calls) == calls


def test_only_own_devices_are_detached(loops: Loops, tmp_path: Path) -> None:
    volumes.ensure("v", 1)
    loops.devices["/dev/loop300"] = f"{tmp_path}/v.img (deleted)"
    volumes.remove("v")
    assert set(loops.devices) == {"/dev/loop0", "/dev/loop200", "/dev/loop300"}
    assert volumes.find("v") is None
