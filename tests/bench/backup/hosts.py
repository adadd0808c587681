"""The benchmark's hosts: a PostgreSQL 17 and a pgBackRest repository of its own, each with a volume, made by molecule.

The roles of the platform set them up (tests/bench/molecule/backup), the application's seed fills the database.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab import podman, volumes
from lab.paths import ROOT
from lab.shell import as_root, run
from tests.bench.backup import processors

DATABASE = "freelance_platform"
DATA = "/var/lib/postgresql/17/main"
SCRATCH = "/var/lib/postgresql/scratch"
COMMAND_SECONDS_MAX = 3600.0
# With a tenth to spare: 36,000 people were 1.01 GB, of which three empty databases are a fiftieth.
PEOPLE_PER_GB = 40_000
WHOLE_GIGABYTES = 5.0


@dataclass(frozen=True, kw_only=True)
class Host:
    """A host of the benchmark."""

    name: str

    def sh(self, script: str, user: str = "postgres") -> str:
        """Run a script of bash; what it printed. LabError, with what it said, when a command of it fails."""
        words = ["exec", "--user", user, "--workdir", "/", f"molecule-bench-backup-{self.name}", "bash", "-euo"]
        return podman.podman(*words, "pipefail", "-c", script, timeout=COMMAND_SECONDS_MAX).stdout.strip()

    def sql(self, statement: str, database: str = DATABASE) -> str:
        """Run SQL as the superuser; what it printed."""
        quoted = statement.replace("'", "'\\''")
        return self.sh(f"psql -XAtq -v ON_ERROR_STOP=1 -d {database} -c '{quoted}'")

    def cpu_s(self) -> float:
        """Seconds that all processors together have worked for this host so far."""
        return int(self.sh("head -n 1 /sys/fs/cgroup/cpu.stat").split()[1]) / 1e6


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Both hosts, filled. rows, seed_s: of the marketplace."""

    db: Host
    repo: Host
    rows: int
    seed_s: float

    def timed(self, host: Host, script: str) -> dict[str, Any]:
        """Run a script from cold caches: seconds until all that it wrote has arrived, CPU seconds, what it printed.

        Not before the WAL of what came before it is archived.
        """
        self.db.sh(f"while compgen -G '{DATA}/pg_wal/archive_status/*.ready' > /dev/null; do sleep 0.5; done")
        run(["sync"], timeout=None)
        run(as_root(["sysctl", "--quiet", "vm.drop_caches=3"]))
        before, began = {"db": self.db.cpu_s(), "repo": self.repo.cpu_s()}, time.monotonic()
        output = host.sh(script)
        for one in (self.db, self.repo):
            one.sh("sync --file-system /var/lib/postgresql/. /var/lib/pgbackrest/. 2> /dev/null || true")
        seconds = time.monotonic() - began
        cpu_s = {"db": self.db.cpu_s() - before["db"], "repo": self.repo.cpu_s() - before["repo"]}
        return {"seconds": seconds, "cpu_s": cpu_s, "output": output}

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Have backups take no more of the processors than the unit of the server that they are read through allows."""
        if self.db.sh("test ! -e /sys/fs/cgroup/system.slice/pgbackrest.service/cpu.max || echo held"):
            yield
            return
        asked = "ps --no-headers -o args -p $(systemctl show --value --property=MainPID pgbackrest.service)"
        with processors.limited(self.db.sh(asked)):
            yield


def sizes(gigabytes: float) -> dict[str, int]:
    """GiB of each volume: the database, its copy and its dump beside the WAL; seven full backups beside theirs."""
    return {"BENCH_DATA_GIB": round(3 * gigabytes) + 5, "BENCH_REPOSITORY_GIB": round(3.5 * gigabytes) + 4}


def wanted_gigabytes(given: str = "") -> float:
    """How large the database of a run is to be, if its own words don't say so. SystemExit when that is no size."""
    given = given or os.environ.get("GIGABYTES", "") or str(WHOLE_GIGABYTES)
    try:
        gigabytes = float(given)
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < float("inf"):
        raise SystemExit(f"GIGABYTES is {given!r} and has to be a number above 0 (GIGABYTES={WHOLE_GIGABYTES:g})")
    return gigabytes


def check_room(gigabytes: float) -> None:
    """SystemExit where the machine's disk can't hold what the volumes may hold."""
    needed = sum(sizes(gigabytes).values()) + 1
    free = shutil.disk_usage(ROOT).free / volumes.GIB
    if free < needed:
        raise SystemExit(
            f"the disk of {ROOT} has {free:.1f} GiB free and a benchmark of {gigabytes:g} GB needs {needed} GiB: free"
            " some, or measure less (GIGABYTES=1), which tells less of large databases"
        )


def molecule(action: str, gigabytes: float) -> None:
    """One action on the scenario of the hosts. SystemExit with the end of what it said when it fails."""
    values = {name: str(size) for name, size in sizes(gigabytes).items()}
    values["BENCH_BACKUP_PROCESSES"] = str(processors.backup_processes())
    values["BENCH_BACKUP_CPU_PERCENT"] = str(processors.backup_cpu_percent())
    done = subprocess.run(
        ["molecule", action, "--scenario-name", "backup"],
        cwd=ROOT / "tests/bench",
        env={**os.environ, **values, "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"molecule {action} failed; the lab's sandbox must run (`make up`):\n{done.stdout[-4000:]}")


@contextmanager
def pair(gigabytes: float) -> Iterator[Pair]:
    """The hosts with a database of so many GB and an empty repository; they are gone afterwards."""
    check_room(gigabytes)
    db, repo = Host(name="db"), Host(name="repo")
    try:
        for action in ("destroy", "create", "prepare"):
            molecule(action, gigabytes)
        people = max(600, round(gigabytes * PEOPLE_PER_GB))
        filling = [sys.executable, "-m", "tests.bench.application.filling", "bench-backup-db", str(people)]
        filled = run(filling, cwd=ROOT, timeout=None).stdout.splitlines()[-1]
        molecule("converge", gigabytes)
        yield Pair(db=db, repo=repo, rows=json.loads(filled)["rows"], seed_s=json.loads(filled)["seconds"])
    finally:
        molecule("destroy", gigabytes)
