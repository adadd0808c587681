"""Processes that the lab started: their ids are written down, and only those are ever ended."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError
from lab.paths import RUN

# Field 22 of /proc/PID/stat, counted behind the closing parenthesis of the name (proc(5)).
_START_TIME_FIELD = 19
# Bounds, never waited for in full: a machine with two cores may be busy with everything else.
END_TIMEOUT_S = 10.0
KILL_TIMEOUT_S = 60.0
READY_TIMEOUT_S = 60.0


def start_time(pid: int) -> str | None:
    """Ticks since boot at which `pid` started (an id may be used again, this pair may not), None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[_START_TIME_FIELD]


def children(pid: int) -> list[int]:
    """Process ids of the direct children of `pid`."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def command_name(pid: int) -> str:
    """What the process calls itself, empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def record(name: str, pid: int) -> None:
    """Write down that `pid` is the lab's process called `name`."""
    RUN.mkdir(mode=0o755, exist_ok=True)
    (RUN / f"{name}.pid").write_text(f"{pid} {start_time(pid)}\n")


def running(name: str) -> int | None:
    """The id of the lab's process `name` while that very process is alive."""
    try:
        pid, started = (RUN / f"{name}.pid").read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if start_time(int(pid)) == started else None


def start(name: str, argv: Sequence[str | Path], log: Path) -> int:
    """Start a process that outlives this one, its output in `log`; write it down."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    record(name, process.pid)
    return process.pid


def end(name: str, *, number: signal.Signals = signal.SIGTERM) -> None:
    """End the lab's process `name` if it is the one that was written down; kill it when it does not go."""
    pid = running(name)
    if pid is not None:
        os.kill(pid, number)
        deadline = time.monotonic() + (KILL_TIMEOUT_S if number is signal.SIGKILL else END_TIMEOUT_S)
        while running(name) is not None:
            _reap(pid)
            if time.monotonic() > deadline:
                if number is signal.SIGKILL:
                    raise LabError(f"{name} (process {pid}) does not end")
                end(name, number=signal.SIGKILL)
                break
            time.sleep(0.05)
    (RUN / f"{name}.pid").unlink(missing_ok=True)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # started by an earlier run of the lab: init collects it


def wait_for(path: Path, name: str, log: Path, timeout: float = READY_TIMEOUT_S) -> None:
    """Wait until `path` exists. LabError with the log's tail when process `name` ends first or takes too long."""
    deadline = time.monotonic() + timeout
    while not path.exists():
        if running(name) is None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text().splitlines()[-10:]) if log.exists() else "(no log)"
            raise LabError(f"{name} is not ready ({path} is missing): {tail}")
        time.sleep(0.02)
