"""Ends this process with the one that started it: a pulumi that was killed can't tell its plugins to go.

An orphan would go on with what it was doing, beside the next `pulumi up`.
"""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

LOOK_EVERY_S = 0.5


def end_with(parent: int) -> None:
    """Watch from now on. `parent`: its process id, taken when this process began (the kernel hands orphans to others).

    Not PR_SET_PDEATHSIG: it counts the parent's thread as the parent, and the engine ends threads while it lives.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_S)
    for child in _children():
        with contextlib.suppress(OSError):  # it ended by itself, or sudo made it somebody else's
            os.kill(child, signal.SIGTERM)
    os._exit(1)


def _children() -> list[int]:
    """Programs that this process waits for: each thread has its own."""
    found = []
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            found += [int(word) for word in file.read_text().split()]
    return found
