"""The logical layer of freelance-backup: dumps of databases, their schemas and the cluster's globals; how they age."""

import dataclasses
import gzip
import json
import os
import re
import shutil
import subprocess
import syslog
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from freelance_jobs import JobError, log, run_tool

# A name that `dump` gives: what it holds, when it was started (UTC), its form.
NAME = re.compile(r"(?P<what>(?:full_backup|schema)_.+|globals)_(?P<when>\d{8}_\d{6})(?P<form>\.dump|\.sql|\.sql\.gz)")
# Longer than any migration of ours may hold a table; without it pg_dump waits for ever.
LOCK_WAIT_MAX = "10min"
RESERVE_PERCENT = 10  # of a volume that the live server may be on
SIZE = "SELECT pg_database_size(current_database())"
# Last line of a schema: what the database took, for whoever has its dump alone and wants to know whether it fits.
TOOK = "-- The database took {} bytes.\n"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The configuration file (JSON): these keys and no other."""

    stanza: str
    databases: list[str]
    socket_dir: str
    port: int
    dump_role: str
    dump_dir: str
    scratch_dir: str  # where a dump is fetched to, and the server runs that it is verified in
    dumps_kept_min: int
    compress_after_days: int
    retention_days: int
    leader_name: str  # empty: a dump that fails on a replica is not tried on the leader
    leader_port: int
    leader_ca_file: str
    leader_password_file: str
    status_dir: str
    metrics_dir: str
    cluster_command: list[str]  # empty: this host acts alone
    member: str
    lag_mib_max: int
    repositories: int  # of pgBackRest, numbered from 1
    schedules: dict[str, str]  # of this host's jobs, for what was missed
    mail_to: str  # empty: nobody
    drill: dict[str, Any] = dataclasses.field(default_factory=dict)  # absent: no rehearsal here
    shipping: dict[str, Any] = dataclasses.field(default_factory=dict)  # absent: dumps stay on their host

    @classmethod
    def load(cls, path: str) -> "Config":
        """Read a file; an unknown or missing key raises JobError."""
        values: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        known = {field.name for field in dataclasses.fields(cls)}
        optional = {"drill", "shipping"}
        if wrong := (known - optional - values.keys()) | (values.keys() - known):
            raise JobError(f"{path}: missing or unknown keys: {', '.join(sorted(wrong))}")
        return cls(**values)


def local(config: Config, role: str) -> list[str]:
    """Give the options of a connection by the local socket."""
    return [f"--host={config.socket_dir}", f"--port={config.port}", f"--username={role}", "--no-password"]


def ask(config: Config, database: str, query: str) -> str:
    """Ask this host's server one thing."""
    asking = ["psql", "-XAtq", *local(config, config.dump_role), f"--dbname={database}", f"--command={query}"]
    return run_tool(asking).strip()


def refuse_without_room(config: Config) -> None:
    """Raise JobError when the disk has too little room: twice the largest dump, else half of the databases."""
    folder = Path(config.dump_dir)
    largest = max((path.stat().st_size for path in folder.glob("full_backup_*.dump")), default=0)
    wanted, what = 2 * largest, "twice the largest dump"
    if not largest:
        wanted, what = sum(int(ask(config, one, SIZE)) for one in config.databases) // 2, "half of the databases' size"
    if (free := shutil.disk_usage(folder).free) < wanted:
        raise JobError(f"{folder}: {free} bytes free, {wanted} wanted ({what}): make room or lower the retention")


def at_leader(config: Config) -> tuple[list[str], dict[str, str]]:
    """Give the options and the environment of a connection by the balancer of this host, which knows who leads."""
    options = [f"--host={config.leader_name}", f"--port={config.leader_port}", f"--username={config.dump_role}"]
    trust = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": config.leader_ca_file, "PGCONNECT_TIMEOUT": "10"}
    return [*options, "--no-password"], {**trust, "PGPASSFILE": config.leader_password_file}


@contextmanager
def known_to_the_leader(config: Config, database: str) -> Iterator[None]:
    """Hold a session with the leader meanwhile, under pg_dump's name: upkeep there waits, as it does for pgBackRest's.

    It asks nothing, so no row is kept for it. A leader that can't be told keeps nobody from dumping a replica, and is
    warned of.
    """
    options, environment = at_leader(config)
    named = {**os.environ, **environment, "PGAPPNAME": "pg_dump"}
    asking = ["psql", "-Xq", *options, f"--dbname={database}"]
    # It ends when its input does, so also with this process.
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as said,
        subprocess.Popen(asking, env=named, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said) as session,
    ):
        yield
        if session.poll() is not None:
            said.seek(0)
            log(syslog.LOG_WARNING, f"upkeep may not have waited for the dump of {database}: {said.read().strip()}")


def dump_database(config: Config, database: str, command: Sequence[str], *, has_leader: bool) -> None:
    """Run pg_dump here, as the role that may read everything and nothing else.

    On a replica a dump ends when the leader locks a table for itself: then it is taken from the leader.
    """
    try:
        run_tool([*command, *local(config, config.dump_role)])
        return
    except JobError as error:
        if not has_leader:
            raise
        log(syslog.LOG_WARNING, f"dump of {database} failed on this replica, it is taken from the leader: {error}")
    options, environment = at_leader(config)
    run_tool([*command, *options], environment=environment)


def dump(config: Config, started: float) -> list[str]:
    """Dump each database, its schema and the cluster's globals; return the files' names.

    Nothing half written gets its final name.
    """
    folder = Path(config.dump_dir)
    stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime(started))
    for leftover in folder.glob("*.partial"):
        leftover.unlink()
    refuse_without_room(config)
    names = [f"globals_{stamp}.sql"]
    # Roles and their passwords are the superuser's to read, and nothing else is.
    run_tool(["pg_dumpall", "--globals-only", *local(config, "postgres"), f"--file={folder / names[0]}.partial"])
    for database in config.databases:
        one = ["pg_dump", f"--dbname={database}", f"--lock-wait-timeout={LOCK_WAIT_MAX}"]
        full, schema = f"full_backup_{database}_{stamp}.dump", f"schema_{database}_{stamp}.sql"
        partial, took = f"{folder / full}.partial", ask(config, database, SIZE)
        whole = [*one, "--format=custom", "--compress=zstd", f"--file={partial}"]
        has_leader = bool(config.leader_name) and ask(config, database, "SELECT pg_is_in_recovery()") == "t"
        with known_to_the_leader(config, database) if has_leader else nullcontext():
            dump_database(config, database, whole, has_leader=has_leader)
            run_tool(["pg_restore", "--list", partial])
            schema_only = [*one, "--schema-only", f"--file={folder / schema}.partial"]
            dump_database(config, database, schema_only, has_leader=has_leader)
        with Path(f"{folder / schema}.partial").open("a", encoding="utf-8") as target:
            target.write(TOOK.format(took))
        names += [full, schema]
    for name in names:
        (folder / f"{name}.partial").rename(folder / name)
    return names


def prune(config: Config, now: float) -> None:
    """Compress plain SQL after `compress_after_days`, remove everything after `retention_days`.

    The newest `dumps_kept_min` of each kind stay whatever their age: while dumps fail somewhere, the last good ones are
    worth most. A dump is left as it is: it is compressed inside.
    """
    kinds: dict[str, list[tuple[str, Path]]] = {}
    for path in Path(config.dump_dir).iterdir():
        if found := NAME.fullmatch(path.name):
            kinds.setdefault(found["what"], []).append((found["when"], path))
    for files in kinds.values():
        for number, (_, path) in enumerate(sorted(files, reverse=True)):
            age_days = (now - path.stat().st_mtime) / 86_400
            if age_days > config.retention_days and number >= config.dumps_kept_min:
                path.unlink()
            elif age_days > config.compress_after_days and path.suffix == ".sql":
                compress(path)


def compress(path: Path) -> None:
    """Put a compressed file in the place of a plain one, of the same age."""
    state = path.stat()
    packed = path.with_name(path.name + ".gz")
    partial = path.with_name(path.name + ".gz.partial")
    with path.open("rb") as source, gzip.open(partial, "wb") as target:
        shutil.copyfileobj(source, target)
    os.utime(partial, ns=(state.st_atime_ns, state.st_mtime_ns))
    partial.rename(packed)
    path.unlink()
