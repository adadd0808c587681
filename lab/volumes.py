"""Volumes: a sparse file on the machine, offered to a host as a real block device through a loop device."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.paths import VOLUMES
from lab.shell import as_root, run

GIB = 1024**3


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
    with path.open("ab") as file:  # never truncates what is there
        have = os.fstat(file.fileno()).st_size
        if have > size_gib * GIB:
            raise LabError(shrink_message(name, have // GIB, size_gib))
        if have < size_gib * GIB:
            file.truncate(size_gib * GIB)
    device = _device(path)
    if device is None:
        device = run(as_root(["losetup", "--find", "--show", "--nooverlap", path])).stdout.strip()
    elif have < size_gib * GIB:
        run(as_root(["losetup", "--set-capacity", device]))
    return Volume(name=name, file=path, size_gib=size_gib, device=device)


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
    detach(name)
    file_of(name).unlink(missing_ok=True)


def names() -> list[str]:
    """Names of all volumes of this clone."""
    return sorted(path.stem for path in VOLUMES.glob("*.img"))


def _device(path: Path) -> str | None:
    if not path.exists():
        return None
    answer = run(["losetup", "--json", "--output", "NAME,BACK-FILE", "--associated", path]).stdout
    devices: list[dict[str, Any]] = json.loads(answer)["loopdevices"] if answer.strip() else []
    # A file that was removed under its device is listed as "... (deleted)": that device is not this file's.
    own = [device["name"] for device in devices if device["back-file"] == str(path)]
    return str(own[0]) if own else None
