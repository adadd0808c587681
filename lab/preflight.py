"""What a machine must have before the lab changes anything on it. Each refusal: value, limit, remedy."""

import os
import shutil

from lab import aptcache, disk, network, sandbox
from lab.errors import LabError
from lab.shell import run


def refuse() -> None:
    """LabError for the first thing that is missing, before anything is built."""
    refuse_no_root()
    disk.refuse_small()
    refuse_busy_machine()


def refuse_busy_machine() -> None:
    """LabError while something else on this machine has what the hosts need; asked again before they start."""
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
