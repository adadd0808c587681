"""Room on disk: asked once, before anything is built, for what is not there yet."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import environment, image, volumes
from lab.errors import LabError
from lab.paths import CACHE, ROOT, STATE, VOLUMES

VARIABLE = "LAB_DISK_FREE_GIB_MIN"
# Four hosts' worth: what they hold after their tests with room to spare, not what they may grow to.
VOLUMES_GIB = 7.0


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something that will take `gib` GiB more in `folder`'s file system."""

    what: str
    folder: Path
    gib: float


def needs() -> list[Need]:
    """What is still to come; what is there already, from an earlier run or another clone, is not asked for again."""
    engine = any((CACHE / "engine").glob("*/VERSION")) or shutil.which("pulumi") is not None
    filled = sum(path.stat().st_blocks * 512 for path in VOLUMES.glob("*.img")) / volumes.GIB
    sizes = [
        ("engine build", CACHE, 0.0 if engine else 3.2),
        ("host image", CACHE, 0.0 if image.tar_path().exists() else 0.2),
        ("downloaded packages", CACHE, 0.0 if any((CACHE / "apt" / "cache").glob("*")) else 0.3),
        ("virtual environment", ROOT, 0.0 if environment.STAMP.exists() else 0.8),
        ("podman's images and hosts", ROOT, 0.0 if (STATE / "storage" / "overlay-images").exists() else 3.5),
        (f"volumes ({', '.join(volumes.names())})" if volumes.names() else "volumes", ROOT, VOLUMES_GIB - filled),
    ]
    return [Need(what=what, folder=folder, gib=gib) for what, folder, gib in sizes if gib > 0]


def refuse_small(wanted: Sequence[Need] | None = None) -> None:
    """LabError for the first file system with too little room. LAB_DISK_FREE_GIB_MIN sets another limit for each."""
    by_device: dict[int, list[Need]] = {}
    if limit := os.environ.get(VARIABLE):
        wanted = [Need(what=VARIABLE, folder=folder, gib=float(limit)) for folder in (ROOT, CACHE)]
    for need in needs() if wanted is None else wanted:
        by_device.setdefault(_existing(need.folder).stat().st_dev, []).append(need)
    for group in by_device.values():
        _refuse(group)


def _refuse(group: Sequence[Need]) -> None:
    folder = _existing(group[0].folder)
    # Two needs of one file system add up, but for the limit that somebody set for each.
    limit = max(need.gib for need in group) if group[0].what == VARIABLE else sum(need.gib for need in group)
    free = shutil.disk_usage(folder).free / volumes.GIB
    if free < limit:
        parts = ", ".join(f"{need.what} {_figure(need.gib)}" for need in group)
        raise LabError(
            f"the disk of {folder} has {_figure(free)} GiB free and the lab needs {_figure(limit)} GiB more ({parts}): "
            "free some, or clone the repo on a larger disk (XDG_CACHE_HOME moves what is built once for all clones; "
            f"{VARIABLE} sets another limit)"
        )


def _figure(gib: float) -> str:
    return f"{round(gib, 1):g}"


def _existing(folder: Path) -> Path:
    """The folder, or what of its path exists: its file system is the one that will be filled."""
    while not folder.exists():
        folder = folder.parent
    return folder
