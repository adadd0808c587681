"""Runs on a database host, as root, with the standard library alone: archives the WAL that waits there for it.

Arguments: name of the host, stanza, PostgreSQL's data directory. Prints as JSON the newest segment that waited, whether
a leader has ended without shutting down, and what went wrong. Whether a segment is in a repository is for
look_at_repository.py to tell: one of two may be out of reach. Changes nothing on the host.
"""

import json
import re
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SECONDS_MAX = 300
# Identifier, two versions, state (catalog/pg_control.h).
PG_CONTROL = struct.Struct("=QIII")
# Shutting down, in crash recovery, in production: the end of what a leader wrote is in no finished segment.
TORN = (3, 4, 6)


def push(stanza: str, path: Path) -> str:
    """Archive one file; return what pgBackRest complains of, empty when it was taken."""
    command = ["runuser", "-u", "postgres", "--", "env", "-C", "/", "pgbackrest", f"--stanza={stanza}"]
    command += ["--no-archive-async", "--io-timeout=15", "archive-push", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS_MAX, check=False)
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


def main(host: str, stanza: str, data_dir: Path) -> dict[str, Any]:
    """Archive all that waits."""
    names, deadline = waiting(data_dir / "pg_wal"), time.monotonic() + SECONDS_MAX
    problems = []
    if found := torn(data_dir):
        problems.append("PostgreSQL was not shut down, and the end of its WAL was never archived: let it start once")
    for name in names:
        if time.monotonic() > deadline:
            problems.append(f"{name} and later ones had no time left")
            break
        if said := push(stanza, data_dir / "pg_wal" / name):
            problems.append(said)
    segments = [name for name in names if re.fullmatch(r"[0-9A-F]{24}", name)]
    problem = f"{host}: {problems[0]}." if problems else ""
    return {"waits": max(segments, default=""), "torn": found, "problem": problem}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
