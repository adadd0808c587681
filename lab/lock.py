"""One at a time works on a clone's lab: a lock on `.lab/lock`, held by a process and by the steps that it starts.

The kernel lets go of it when the last of them has ended: a step that outlived its killed runner still holds it, and
nobody has to clear it away. (A step that went through sudo does not: sudo closes what it inherits.)
"""

import fcntl
import os
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.errors import LabError
from lab.paths import STATE

LOCK = STATE / "lock"
# In the environment of everything that the holder starts, so that the steps' own commands go through.
VARIABLE = "LAB_LOCK"
COMMAND_LENGTH = 100


@contextmanager
def held() -> Iterator[int | None]:
    """Hold the lock; the descriptor that steps inherit, None when a process above holds it. LabError when taken."""
    if os.environ.get(VARIABLE) == str(LOCK):
        yield None
        return
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(LOCK, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LabError(_taken()) from error
        with suppress(PermissionError):  # root made the file: root reads who we are from /proc instead
            LOCK.write_text(f"{os.getpid()} {_short(' '.join(sys.orig_argv))}\n")
        os.environ[VARIABLE] = str(LOCK)
        try:
            yield descriptor
        finally:
            del os.environ[VARIABLE]
    finally:
        os.close(descriptor)


def holders() -> dict[int, str]:
    """Other processes that have the lock's file open, with their command lines; only those that we may look at."""
    found = {}
    lock = os.path.realpath(LOCK)
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            if any(str(link.readlink()) == lock for link in (folder / "fd").iterdir()):
                found[int(folder.name)] = _short((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # another user's, or it has just ended
    return found


def _short(command: str) -> str:
    return textwrap.shorten(command, COMMAND_LENGTH, placeholder=" …")


def _taken() -> str:
    found = holders()
    if not found:
        # Another user's, root's most likely, whose files we may not look at: what it wrote down itself.
        pid, _, command = LOCK.read_text().strip().partition(" ")
        found = {int(pid): command} if pid.isdigit() else {}
    who = ", ".join(f"process {pid} ({command})" for pid, command in found.items()) or "another process"
    how = " ".join(map(str, found)) or f"PID (see the processes that have {LOCK} open)"
    return f"{who} is at work on this lab: wait until it ends, or end it with `kill {how}` and run this again"
