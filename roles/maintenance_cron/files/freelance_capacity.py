"""Takes a sample of what may run out. The hourly job calls main(); show_capacity.yml sends the file, run as root.

Arguments: host's name, "write" or "read" (without a sample), file of the samples (a JSON object per day, kept for 400
days), application's database, port of the pooler (0: this host has none), PostgreSQL's socket as FOLDER:PORT (-: none),
folders whose volumes count (joined by commas). It continues as the system user postgres.
"""

import contextlib
import csv
import fcntl
import io
import json
import os
import pwd
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SECONDS_MAX = 60
DAY_S = 86400
KEPT_S = 400 * DAY_S
OF_SERVER = ("databases", "tables", "counters", "queries")  # what a sample has of the leader besides gauges
SILENT = "PostgreSQL could not be asked"
SERVER = (
    "select json_build_object('connections', (select count(*) from pg_stat_activity where backend_type ="
    " 'client backend'), 'connections_max', current_setting('max_connections')::int, 'databases', (select"
    " json_object_agg(datname, pg_database_size(oid)) from pg_database where not datistemplate))"
    " where not pg_is_in_recovery()"
)
# Partitions count as their table.
TABLES = (
    "select json_object_agg(name, bytes) from (select"
    " (select r.relname from pg_class r where r.oid = coalesce(pg_partition_root(c.oid), c.oid)) as name,"
    " sum(pg_total_relation_size(c.oid)) as bytes"
    " from pg_class c join pg_namespace n on n.oid = relnamespace"
    " where relkind in ('r', 'm') and nspname !~ '^pg_' and nspname <> 'information_schema'"
    " group by 1 order by 2 desc limit 10) t"
)
EXTENSION = (
    "select quote_ident(extnamespace::regnamespace::text) from pg_extension where extname = 'pg_stat_statements'"
)
# As the application's own audit has them (config/monitoring.py and monitoring_sql.py): what it asked of its database.
# The superuser's are upkeep's.
SLOW_MS = 100
STATEMENTS = (
    "select json_object_agg(queryid, json_build_array(calls, ms)) from (select queryid, sum(calls) as calls,"
    " round(sum(total_exec_time)::numeric, 3) as ms from {}.pg_stat_statements"
    " where queryid is not null and dbid = (select oid from pg_database where datname = current_database())"
    r" and query ~* '^\s*(select|insert|update|delete|merge|with)\M' and query !~* '\m(from|join)\s+(\S+\.)?pg_'"
    " and userid not in (select oid from pg_roles where rolsuper) group by queryid) s"
)


class Unanswered(Exception):  # noqa: N818 - the sample goes on without it
    """Who should have answered did not; the text says why."""


def psql(*arguments: str) -> str:
    """Return what psql prints. Raises Unanswered."""
    asking = ["psql", "-Xq", "--no-password", "--set=ON_ERROR_STOP=1", *arguments]
    try:
        done = subprocess.run(asking, capture_output=True, text=True, timeout=SECONDS_MAX, check=False, cwd="/")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unanswered(str(error)) from error
    if done.returncode:
        raise Unanswered((done.stderr.strip().splitlines() or [f"psql ended with {done.returncode}"])[0])
    return done.stdout.strip()


def answer(server: list[str], database: str, query: str) -> str:
    """Return what a query gives. Functions of a database's owner are not found: the superuser would run them."""
    return psql("-At", *server, f"--dbname={database}", "-c", "set search_path = pg_catalog", "-c", query)


def of_host(folders: list[str]) -> dict[str, list[float]]:
    """Return used and total bytes of memory and volumes."""
    memory = {
        name: int(kib) * 1024 for name, kib in re.findall(r"(?m)^(\w+):\s+(\d+) kB", Path("/proc/meminfo").read_text())
    }
    found: dict[str, list[float]] = {"memory": [memory["MemTotal"] - memory["MemAvailable"], memory["MemTotal"]]}
    for folder in folders:
        if Path(folder).is_dir():
            volume = os.statvfs(folder)
            total = volume.f_blocks * volume.f_frsize
            # As df has it: what root keeps back counts as used up.
            found[f"disk {folder}"] = [total - volume.f_bavail * volume.f_frsize, total]
    return found


def of_pool(port: str) -> dict[str, list[float]]:
    """Return the pooler's connections to the server and their limit, by the name that it offers."""
    console = ["--host=/run/pgbouncer", f"--port={port}", "-U", "pgbouncer", "-d", "pgbouncer", "--csv", "-c"]
    rows = csv.DictReader(io.StringIO(psql(*console, "show databases")))
    return {
        f"pool {row['name']}": [int(row["current_connections"]), int(row["max_connections"])]
        for row in rows
        if row["name"] != "pgbouncer"
    }


def add_leader(taken: dict[str, Any], server: list[str], database: str) -> None:
    """Add what the cluster's databases hold and do, if this host's server leads. Raises Unanswered."""
    if not (said := answer(server, "postgres", SERVER)):
        return
    found = json.loads(said)
    taken["gauges"]["connections"] = [found["connections"], found["connections_max"]]
    taken["databases"] = found["databases"]
    taken["tables"] = json.loads(answer(server, database, TABLES) or "{}")
    if not (schema := answer(server, database, EXTENSION)):
        raise Unanswered(f"{database} lacks the extension pg_stat_statements")
    taken["counters"] = json.loads(answer(server, database, STATEMENTS.format(schema)) or "{}")


def sample(host: str, database: str, pooler: str, server: str, folders: list[str]) -> dict[str, Any]:
    """Take one sample: name -> [used, limit], what the leader tells, and who was expected to answer and did not."""
    taken: dict[str, Any] = {"at": time.time(), "host": host, "gauges": of_host(folders)}
    problems = []
    if pooler != "0":
        try:
            taken["gauges"] |= of_pool(pooler)
        except Unanswered as why:
            problems.append(f"PgBouncer could not be asked: {why}")
    if server != "-":
        folder, _, port = server.rpartition(":")
        try:
            add_leader(taken, [f"--host={folder}", f"--port={port}", "--username=postgres"], database)
        except Unanswered as why:
            problems.append(f"{SILENT}: {why}")
    return taken | ({"problems": problems} if problems else {})


def kept(file: Path, now: float) -> list[dict[str, Any]]:
    """Return the samples of a file that are not too old; a line that was cut short is none."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            one = json.loads(line)
        except ValueError:
            continue
        if now - one["at"] < KEPT_S:
            found.append(one)
    return found


def of_one_day(before: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Make one sample of two: the newer, with the higher of each gauge's values, as it is the peak that runs out.

    What a server that leads no more has told is another host's to tell; of one that is silent it stays.
    """
    highest = before["gauges"] | {
        name: [max(used, before["gauges"].get(name, [used])[0]), limit] for name, (used, limit) in new["gauges"].items()
    }
    silent = any(problem.startswith(SILENT) for problem in new.get("problems", []))
    stays = {name: before[name] for name in OF_SERVER if silent and name in before}
    return {**stays, **new, "gauges": highest}


def cost(before: dict[str, list[float]], now: dict[str, list[float]]) -> dict[str, float]:
    """Tell what statements cost between two looks at their counters: calls, time, and how many of them are slow."""
    found = {"calls": 0.0, "total_ms": 0.0, "slow": 0}
    for statement, (calls, spent_ms) in now.items():
        calls_before, ms_before = before.get(statement, [0, 0])
        if calls < calls_before:  # they began anew
            calls_before, ms_before = 0, 0
        if more := calls - calls_before:
            found["calls"] += more
            found["total_ms"] += spent_ms - ms_before
            found["slow"] += (spent_ms - ms_before) / more > SLOW_MS
    return found


def add(samples: list[dict[str, Any]], new: dict[str, Any]) -> None:
    """Put a sample behind the others, one a day. Of statements it tells what they cost since the last day."""
    if samples and samples[-1]["at"] // DAY_S == new["at"] // DAY_S:
        new = of_one_day(samples.pop(), new)
    if samples and "counters" in new and "counters" in samples[-1]:
        new["queries"] = cost(samples[-1]["counters"], new["counters"])
    # They are many: the days before are not asked for theirs again.
    for one in samples[:-1]:
        one.pop("counters", None)
    samples.append(new)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder's lock: the job and show_capacity.yml work in it one after the other."""
    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


def main(host: str, mode: str, path: str, *of_sample: str) -> list[dict[str, Any]]:
    """Return all samples, the new one last, without the counters of each statement."""
    file = Path(path)
    database, pooler, server, folders = of_sample
    with alone(file.parent) if mode == "write" else contextlib.nullcontext():
        samples = kept(file, time.time())
        if mode == "write":
            add(samples, sample(host, database, pooler, server, folders.split(",")))
            whole = file.with_suffix(".new")
            whole.write_text("".join(json.dumps(one) + "\n" for one in samples), encoding="utf-8")
            whole.replace(file)
    return [{name: value for name, value in one.items() if name != "counters"} for one in samples]


if __name__ == "__main__":
    user = pwd.getpwnam("postgres")
    # The folder is this user's: root writes nothing where somebody else may lay links.
    if os.getuid() == 0:
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    os.umask(0o022)
    print(json.dumps(main(*sys.argv[1:8])))
