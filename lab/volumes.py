"""Volumes: a sparse file on the machine, offered to a host as a real block device through a loop device."""

import fcntl
import itertools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.paths import VOLUMES
from lab.shell import as_root, run

GIB = 1024**3
# Above what a machine's own tools take first (they ask for the lowest free one).
FIRST_LOOP_NUMBER = 200
# Stands for the resource in messages; the provider knows it.
URN = "<the volume's URN, see pulumi stack --show-urns>"
SECTOR_BYTES = 512


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A volume as it is. `device` is None while it is not attached (after a reboot of the machine)."""

    name: str
    file: Path
    size_gib: int
    device: str | None


def file_of(name: str) -> Path:
    """The volume's file."""
    return VOLUMES / f"{name}.img"


def find(name: str) -> Volume | None:
    """The volume, None when its file is missing."""
    path = file_of(name)
    if not path.exists():
        return None
    return Volume(name=name, file=path, size_gib=path.stat().st_size // GIB, device=_device(path))


def ensure(name: str, size_gib: int) -> Volume:
    """Make the volume if it is missing, grow it if it is smaller, attach it if it is not. Refuses to shrink.

    A volume that is there keeps what is on it: this is how a host that was removed comes back with its data.
    """
    path = file_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _release_lost(name)
    with path.open("ab") as file:  # never truncates what is there
        have = os.fstat(file.fileno()).st_size
        if have > size_gib * GIB:
            raise LabError(shrink_message(name, have // GIB, size_gib))
        if have < size_gib * GIB:
            file.truncate(size_gib * GIB)
    _removed_mark(name).unlink(missing_ok=True)
    device = attach(name)
    # Not the file's old size: a run that was killed between the two commands has grown the file alone.
    if _capacity_bytes(device) != size_gib * GIB:
        run(as_root(["losetup", "--set-capacity", device]))
    return Volume(name=name, file=path, size_gib=size_gib, device=device)


def attach(name: str) -> str:
    """Offer the volume as a block device; the device's path.

    The number is the volume's for its life: a host refers to it, and must find the same data there after a reboot.
    """
    path = file_of(name)
    if not path.exists():
        raise LabError(lost_message(name))
    device = _device(path)
    if device is not None:
        return device
    with (VOLUMES / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        number = _reserve_number(name)
        device = f"/dev/loop{number}"
        done = run(as_root(["losetup", device, path]), check=False)
    if done.returncode:
        raise LabError(
            f"{device}, which hosts know as volume {name}, can't be attached ({done.stderr.strip()}): "
            f"see `losetup {device}` for who has it, detach that, then `make up`"
        )
    return device


def _release_lost(name: str) -> None:
    """A new file is no successor of a lost one: it gets another number, for a host may still hold the old device."""
    mine = VOLUMES / f"{name}.loop"
    if mine.exists():
        device = f"/dev/loop{int(mine.read_text())}"
        held = run(["losetup", "--noheadings", "--output", "BACK-FILE", device], check=False).stdout.strip()
        if held == f"{file_of(name)} (deleted)":
            run(as_root(["losetup", "--detach", device]))
        mine.unlink()


def _reserve_number(name: str) -> int:
    mine = VOLUMES / f"{name}.loop"
    if mine.exists():
        return int(mine.read_text())
    reserved = {int(path.read_text()) for path in VOLUMES.glob("*.loop")}
    used = {
        int(line.removeprefix("/dev/loop"))
        for line in run(["losetup", "--noheadings", "--output", "NAME"]).stdout.split()
    }
    number = next(number for number in itertools.count(FIRST_LOOP_NUMBER) if number not in reserved | used)
    mine.write_text(f"{number}\n")
    return number


def is_lost(name: str) -> bool:
    """Whether the file is missing and nobody removed it: a removal that was killed half-way has left its mark."""
    return not file_of(name).exists() and not _removed_mark(name).exists()


def _removed_mark(name: str) -> Path:
    return VOLUMES / "removed" / name


def lost_message(name: str) -> str:
    """What to do about a volume whose file is missing: never an empty one in its place, unless somebody says so."""
    return (
        f"volume {name} has lost its file {file_of(name)}, and its data with it: put the file back, then `pulumi up`. "
        f"To give the data up: `pulumi state delete --force --target-dependents '{URN}'`, then `pulumi up` makes an "
        "empty volume and its host anew (`make destroy` gives up the whole lab)"
    )


def shrink_message(name: str, have_gib: int, wanted_gib: int) -> str:
    """Why a volume can't get smaller, and what to do."""
    return (
        f"volume {name} has {have_gib} GiB and XFS can't shrink, so {wanted_gib} GiB is refused: declare at least "
        f"{have_gib} GiB"
    )


def detach(name: str) -> None:
    """Take the loop device away; the data stays in the file. Only a device that holds this very file is touched."""
    device = _device(file_of(name))
    if device is not None:
        run(as_root(["losetup", "--detach", device]))


def remove(name: str) -> None:
    """Remove the volume and everything on it."""
    if file_of(name).exists():
        _removed_mark(name).parent.mkdir(exist_ok=True)
        _removed_mark(name).touch()
    detach(name)
    file_of(name).unlink(missing_ok=True)
    (VOLUMES / f"{name}.loop").unlink(missing_ok=True)


def names() -> list[str]:
    """Names of all volumes of this clone."""
    return sorted(path.stem for path in VOLUMES.glob("*.img"))


def _capacity_bytes(device: str) -> int:
    """The size of a block device: the kernel counts it in sectors, whatever the device's own are."""
    return int(Path("/sys/block", Path(device).name, "size").read_text()) * SECTOR_BYTES


def _device(path: Path) -> str | None:
    if not path.exists():
        return None
    answer = run(["losetup", "--json", "--output", "NAME,BACK-FILE", "--associated", path]).stdout
    devices: list[dict[str, Any]] = json.loads(answer)["loopdevices"] if answer.strip() else []
    # A file that was removed under its device is listed as "... (deleted)": that device is not this file's.
    own = [device["name"] for device in devices if device["back-file"] == str(path)]
    return str(own[0]) if own else None
