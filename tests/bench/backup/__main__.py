"""What backups cost beside copies that are no backups, and what clients notice: ratios of one run on two hosts.

    python -m tests.bench.backup [--gigabytes 5] [--results FOLDER]      about 40 minutes for 5 GB; the lab must run

GIGABYTES in the environment does the same as --gigabytes. Less than 5 GB is a trial, whose results go where --results
says, or nowhere. Exit status 1 when a goal is missed, and where pgbench was not steady enough for a verdict.
"""

import argparse
import json
import os
import platform
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.paths import ROOT
from tests.bench.backup import copies, hosts, page, processors, traffic


def say(what: str) -> None:
    """Tell who waits what is done now."""
    print(f"{datetime.now(UTC):%H:%M:%S}  {what}", flush=True)


def stored(repo: hosts.Host) -> dict[str, dict[str, int]]:
    """Bytes that each measured backup read of the database and wrote into the repository."""
    backups = json.loads(repo.sh("pgbackrest info --stanza=main --output=json"))[0]["backup"]
    # The first full one is that of the role, the last are those beside pgbench.
    full, incremental = ([one["info"] for one in backups if one["type"] == kind] for kind in ("full", "incr"))
    infos = {"full": full[1], "that of one table": incremental[0], "that of each table": incremental[1]}
    return {
        name: {"database": info["delta"], "repository": info["repository"]["delta"]} for name, info in infos.items()
    }


def measure(gigabytes: float) -> dict[str, Any]:
    """Everything in one run."""
    say(f"hosts, and a marketplace of {gigabytes:g} GB")
    with hosts.pair(gigabytes) as pair:
        if (size := copies.data_bytes(pair, hosts.DATA)) < gigabytes * 1e9:
            raise SystemExit(f"the seed made {size} bytes: raise hosts.PEOPLE_PER_GB")
        with processors.weighed(), pair.limited():
            ways = copies.measure(pair, say)
            say("pgbench, in turn alone and beside a full backup")
            clients = traffic.measure(pair, gigabytes, ways["full backup"]["seconds"])
        return {
            "rows": pair.rows,
            "seed_s": pair.seed_s,
            "ways": ways,
            "clients": clients,
            "clients_count": traffic.CLIENTS,
            "window_s": traffic.window_s(ways["full backup"]["seconds"]),
            "backup_processes": processors.backup_processes(),
            "backup_cpu_percent": processors.backup_cpu_percent(),
            "stored": stored(pair.repo),
        }


def main() -> int:
    """Measure, keep the results, tell whether the goals are reached."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.backup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    wanted, size = hosts.wanted_gigabytes, "size of the database (default: %(default)s)"
    parser.add_argument("--gigabytes", type=wanted, default=wanted(), help=size)
    parser.add_argument("--results", type=Path, help="folder for backup.json, its page and plots")
    given = parser.parse_args()
    results: dict[str, Any] = {
        "command": f"python -m tests.bench.backup --gigabytes {given.gigabytes:g}",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "cores": os.cpu_count(),
        "trial": given.gigabytes < hosts.WHOLE_GIGABYTES,
        "load_before": round(os.getloadavg()[0], 1),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
    }
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # the hosts are removed all the same
    results |= measure(given.gigabytes)
    folder = given.results or (None if results["trial"] else ROOT / "docs" / "results")
    if folder:
        page.write(results, folder)
    print(page.page(results))
    return 0 if page.held(results) else 1


if __name__ == "__main__":
    sys.exit(main())
