"""What a machine must have before the lab changes anything on it. Each refusal: value, limit, remedy."""

import os
import shutil
from pathlib import Path

from lab import aptcache, network, sandbox
from lab.errors import LabError
from lab.paths import ROOT
from lab.shell import run

# Image and layers 2, packages 1, engine build 4, volumes of the lab 8 when they fill.
DISK_FREE_GIB_MIN = 15
GIB = 1024**3


def refuse() -> None:
    """LabError for the first thing that is missing."""
    refuse_no_root()
    refuse_small_disk(ROOT)
    sandbox.refuse_other_owner()
    if shutil.which("ip"):  # a machine without it gets it by the first step, and is looked at again by the sandbox
        network.refuse_taken_routes()
    aptcache.refuse_taken_port()


def refuse_no_root(uid: int | None = None) -> None:
    """Root, or somebody who may become root without being asked."""
    if (os.geteuid() if uid is None else uid) == 0:
        return
    if shutil.which("sudo") is None or run(["sudo", "--non-interactive", "true"], check=False).returncode:
        raise LabError(
            f"user id {os.geteuid()} is neither root (0) nor allowed to use sudo without a password, and hosts need "
            "root's rights: run `sudo --validate` first, or run this as root"
        )


def refuse_small_disk(folder: Path, free_bytes: int | None = None) -> None:
    """Enough room; LAB_DISK_FREE_GIB_MIN sets another limit."""
    limit = int(os.environ.get("LAB_DISK_FREE_GIB_MIN", DISK_FREE_GIB_MIN))
    free = (shutil.disk_usage(folder).free if free_bytes is None else free_bytes) // GIB
    if free < limit:
        raise LabError(
            f"{folder} has {free} GiB free and the lab needs {limit} GiB: free some, or clone the repo "
            "on a larger disk (LAB_DISK_FREE_GIB_MIN sets another limit)"
        )
