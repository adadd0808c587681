"""Runs on a database host, as root, with the standard library alone: archives the WAL that waits there for it.

Arguments: name of the host, stanza, PostgreSQL's data directory, number of repositories. Prints as JSON the newest
segment that waited, whether a leader has ended without shutting down, and what went wrong. Whether a segment is in a
repository is for look_at_repository.py to tell: one of two may be out of reach. What was taken counts as archived on
the host, too.
"""

import json
import re
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

SECONDS_MAX = 300  # of one file, and of all that fail: each may have waited for an answer
SECONDS_MIN = 60  # of a try: one of two repositories may take it while the other doesn't answer
LOCKED, LOCKED_SECONDS_MAX = b"LockAcquireError", 60  # where another host's archiver is at work on a repository host
FAILURES_MAX = 2  # in a row, of a single repository: it may be away
# Identifier, two versions, state (catalog/pg_control.h).
PG_CONTROL = struct.Struct("=QIII")
# Shutting down, in crash recovery, in production: the end of what a leader wrote is in no finished segment.
TORN = (3, 4, 6)


def push(stanza: str, path: Path, seconds_max: float) -> str:
    """Archive one file; return what pgBackRest complains of, empty when it was taken."""
    command = ["runuser", "-u", "postgres", "--", "env", "-C", "/", "pgbackrest", f"--stanza={stanza}"]
    command += ["--no-archive-async", "--io-timeout=10", "archive-push", str(path)]
    began = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds_max, check=False)
        while LOCKED in done.stderr + done.stdout and time.monotonic() < began + LOCKED_SECONDS_MAX:
            time.sleep(1)
            done = subprocess.run(command, capture_output=True, timeout=seconds_max, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = (done.stderr or done.stdout).decode(errors="replace")
    return "" if done.returncode == 0 else " ".join(said.split())[:400] or f"exit status {done.returncode}"


def waiting(wal_dir: Path) -> list[str]:
    """Return the names of the files that wait, histories first, as PostgreSQL archives them."""
    names = [path.stem for path in (wal_dir / "archive_status").glob("*.ready") if (wal_dir / path.stem).exists()]
    return sorted(names, key=lambda name: (not name.endswith(".history"), name))


def torn(data_dir: Path) -> bool:
    """Tell whether a leader has ended here without shutting down."""
    try:
        with (data_dir / "global/pg_control").open("rb") as file:
            return PG_CONTROL.unpack(file.read(PG_CONTROL.size))[3] in TORN
    except (OSError, struct.error):
        return False


def main(host: str, stanza: str, data_dir: Path, repositories: int) -> dict[str, Any]:
    """Archive all that waits."""
    names = waiting(data_dir / "pg_wal")
    left, failed, in_a_row, seconds_left = names.copy(), list[str](), 0, float(SECONDS_MAX)
    while left:
        # Not by their number where there are two repositories: one may refuse each at once while the other takes it.
        away = seconds_left <= 0 or (repositories == 1 and in_a_row >= FAILURES_MAX)
        # The newest then tells: what else waits may have been refused for a reason of its own, and a restore to the end
        # asks for it.
        name = left.pop(-1 if away else 0)
        began = time.monotonic()
        if not (said := push(stanza, data_dir / "pg_wal" / name, max(seconds_left, SECONDS_MIN))):
            in_a_row = 0
            ready = data_dir / f"pg_wal/archive_status/{name}.ready"
            with suppress(FileNotFoundError):  # a server that Patroni has lost still archives
                ready.rename(ready.with_suffix(".done"))  # as PostgreSQL does
            continue
        in_a_row += 1
        seconds_left -= time.monotonic() - began
        failed.append(f"{name} could not be archived: {said}")
        if away:
            break
    problems = [*failed[:1], *([f"{len(left)} files were not tried"] if left else []), *failed[1:][-1:]]
    if found := torn(data_dir):
        problems.append("PostgreSQL was not shut down, and the end of its WAL was never archived: let it start once")
    segments = [name for name in names if re.fullmatch(r"[0-9A-F]{24}", name)]
    problem = f"{host}: {'. '.join(problems)}." if problems else ""
    return {"waits": max(segments, default=""), "torn": found, "failed": bool(failed), "problem": problem}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))))
