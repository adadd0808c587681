"""Runs on a database host, as root, with the standard library alone: prints what a restore must know of it as JSON.

Arguments: name of the host, PostgreSQL's data directory, its WAL directory. Changes nothing.
"""

import json
import os
import re
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

SECONDS_MAX = 20
# What stat(2) counts in, whatever the file system's own blocks are.
BLOCK_BYTES = 512
PATRONI = Path("/etc/patroni/config.yml")
# pg_control begins with the system identifier (catalog/pg_control.h).
PG_CONTROL = struct.Struct("=Q")


def run(*argv: str) -> tuple[int, str]:
    """Run a program as the database's system user; return its status, and its output or the last it complains of."""
    command = ["runuser", "-u", "postgres", "--", "env", "-C", "/", *argv]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, (done.stdout if done.returncode == 0 else done.stderr).strip()


def unfinished(data_dir: Path) -> dict[str, Any] | None:
    """Return what a restore that did not come to its end has left about itself."""
    try:
        found: dict[str, Any] = json.loads((data_dir.parent / "restore.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def identifier(data_dir: Path) -> str:
    """Return the system identifier of a data directory, empty without one: a restore writes it last."""
    try:
        with (data_dir / "global/pg_control").open("rb") as file:
            return str(PG_CONTROL.unpack(file.read(PG_CONTROL.size))[0])
    except (OSError, struct.error):
        return ""


def free_bytes(folder: Path) -> int:
    """Return what is free in the volume of a folder that may not be there yet."""
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    found = os.statvfs(there)
    return found.f_bavail * found.f_frsize


def used_bytes(folder: Path) -> int:
    """Return what the files below a folder take of its volume; a server that runs removes some meanwhile."""
    used = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                used += (Path(place) / name).lstat().st_blocks * BLOCK_BYTES
    return used


def main(host: str, data_dir: Path, wal_dir: Path) -> dict[str, Any]:
    """Collect everything of this host."""
    status, said = run("psql", "-XAtqd", "postgres", "-c", "select pg_is_in_recovery()")
    cluster, problem = "", ""
    if PATRONI.exists():
        asked, listed = run("patronictl", "-c", str(PATRONI), "list")
        found = re.search(r"^\+ Cluster: \S+ \((\d+)\)", listed, re.MULTILINE)
        cluster = found[1] if found and asked == 0 else ""
        problem = "" if asked == 0 else " ".join(listed.splitlines()[-1:])
    state, own = unfinished(data_dir), identifier(data_dir)
    free, wal_free = free_bytes(data_dir), free_bytes(wal_dir)
    return {
        "host": host,
        "state": state,
        # Each host keeps the note; how far it came is known where it began.
        "began_here": (state or {}).get("host") == host,
        "identifier": own or cluster,
        # Also where nobody leads: after a power loss, or with a Patroni that does not start.
        "holds_data": own != "",
        "running": status == 0,
        "leads": (status, said) == (0, "f"),
        "etcd_problem": problem,
        "free_bytes": free,
        "wal_free_bytes": wal_free,
        # For what takes the place of the files there.
        "room_bytes": free + used_bytes(data_dir),
        "wal_room_bytes": wal_free + used_bytes(wal_dir),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
