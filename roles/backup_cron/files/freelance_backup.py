#!/usr/bin/python3
"""Run one backup job: `dump` (logical, pg_dump), `full` or `diff` (physical, pgBackRest).

Started by cron as the user postgres, under a lock. Which host acts is decided at run time. The outcome is left as JSON
(status folder) and as metrics for the node exporter; a failure goes to the journal with the tool's own last lines.
"""

import argparse
import dataclasses
import fcntl
import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
import syslog
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

PHYSICAL = ("full", "diff")
KINDS = ("full_backup_", "schema_", "globals_")
EXIT_LOCKED = 75  # EX_TEMPFAIL of sysexits.h: the same job still runs
LAST_LINES = 20
METRICS = {
    "exit_status": "Exit status of the last run.",
    "duration_seconds": "Duration of the last run in seconds.",
    "bytes": "Bytes that the last run stored.",
    "finished_timestamp_seconds": "When the last run ended.",
    "last_success_timestamp_seconds": "When a run last succeeded.",
}


class BackupError(Exception):
    """A job failed; `status` becomes the exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The configuration file (JSON): exactly these keys."""

    stanza: str
    databases: list[str]
    socket_dir: str
    port: int
    dump_dir: str
    compress_after_days: int
    retention_days: int
    status_dir: str
    metrics_dir: str
    cluster_command: list[str]  # empty: this host acts alone
    member: str
    lag_mib_max: int

    @classmethod
    def load(cls, path: str) -> "Config":
        """Read a file; an unknown or missing key raises BackupError."""
        values: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        known = {field.name for field in dataclasses.fields(cls)}
        if wrong := known.symmetric_difference(values):
            raise BackupError(f"{path}: missing or unknown keys: {', '.join(sorted(wrong))}")
        return cls(**values)


def run(argv: Sequence[str]) -> str:
    """Run a program and return what it printed; a failure raises BackupError with its last lines."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:]
        raise BackupError("\n".join([f"{argv[0]} ended with exit status {done.returncode}:", *lines]), done.returncode)
    return done.stdout


def acting_member(members: Iterable[Mapping[str, Any]], lag_mib_max: int) -> str:
    """Name the one member that acts: the first healthy replica by name, else the leader.

    `members` is what `patronictl list -f json` prints. Every host computes the same from the same cluster state.
    """
    leaders, replicas = [], []
    for member in members:
        if str(member["Role"]).lower() in {"leader", "standby leader"}:
            leaders.append(str(member["Member"]))
        elif member["State"] == "streaming" and isinstance(lag := member.get("Lag in MB"), int) and lag <= lag_mib_max:
            replicas.append(str(member["Member"]))
    if not (names := sorted(replicas) or sorted(leaders)):
        raise BackupError("no member can act: neither a streaming replica nor a leader (see patronictl list)")
    return names[0]


def dump(config: Config, started: float) -> int:
    """Dump each database, its schema and the cluster's globals; return the bytes written.

    Nothing half written gets its final name.
    """
    folder = Path(config.dump_dir)
    stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime(started))
    newest = max((path.stat().st_size for path in folder.glob("full_backup_*.dump")), default=0)
    if (free := shutil.disk_usage(folder).free) < 2 * newest:
        wanted = f"{2 * newest} wanted (twice the largest dump)"
        raise BackupError(f"{folder}: {free} bytes free, {wanted}: make room or lower the retention")
    connection = [f"--host={config.socket_dir}", f"--port={config.port}", "--no-password"]
    work: dict[str, list[str]] = {f"globals_{stamp}.sql": ["pg_dumpall", "--globals-only"]}
    for database in config.databases:
        one = ["pg_dump", f"--dbname={database}"]
        work[f"full_backup_{database}_{stamp}.dump"] = [*one, "--format=custom", "--compress=zstd"]
        work[f"schema_{database}_{stamp}.sql"] = [*one, "--schema-only"]
    for leftover in folder.glob("*.partial"):
        leftover.unlink()
    for name, command in work.items():
        run([*command, *connection, f"--file={folder / name}.partial"])
        if name.endswith(".dump"):
            run(["pg_restore", "--list", f"{folder / name}.partial"])
    for name in work:
        (folder / f"{name}.partial").rename(folder / name)
    return sum((folder / name).stat().st_size for name in work)


def prune(config: Config, now: float) -> None:
    """Compress plain SQL after `compress_after_days`, remove everything after `retention_days`.

    A dump is left as it is: it is compressed inside.
    """
    for path in Path(config.dump_dir).iterdir():
        if not (path.name.startswith(KINDS) and path.name.endswith((".dump", ".sql", ".sql.gz"))):
            continue
        state = path.stat()
        age_days = (now - state.st_mtime) / 86_400
        if age_days > config.retention_days:
            path.unlink()
        elif age_days > config.compress_after_days and path.suffix == ".sql":
            packed = path.with_name(path.name + ".gz")
            partial = path.with_name(path.name + ".gz.partial")
            with path.open("rb") as source, gzip.open(partial, "wb") as target:
                shutil.copyfileobj(source, target)
            os.utime(partial, ns=(state.st_atime_ns, state.st_mtime_ns))
            partial.rename(packed)
            path.unlink()


def physical(config: Config, job: str) -> int:
    """Take a full or differential backup with pgBackRest; return the bytes that it added to the repository."""
    pgbackrest = ["pgbackrest", f"--stanza={config.stanza}"]
    run([*pgbackrest, f"--type={job}", "backup"])
    [held] = json.loads(run([*pgbackrest, "--output=json", "info"]))
    return int(held["backup"][-1]["info"]["repository"]["delta"])


def write(path: Path, text: str) -> None:
    """Put a file in place whole, readable by the node exporter."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.chmod(0o644)
    partial.rename(path)


def record(config: Config, job: str, outcome: dict[str, Any]) -> None:
    """Leave the outcome as JSON and as metrics; the time of the last success survives a failure."""
    path = Path(config.status_dir) / f"{job}.json"
    before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if outcome["exit_status"]:
        outcome["last_success_timestamp_seconds"] = before.get("last_success_timestamp_seconds", 0)
    else:
        outcome["last_success_timestamp_seconds"] = outcome["finished_timestamp_seconds"]
    write(path, json.dumps({"job": job, "host": socket.gethostname(), **outcome}, indent=2) + "\n")
    lines = []
    for metric, text in METRICS.items():
        name = f"freelance_backup_{metric}"
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge", f'{name}{{job="{job}"}} {outcome[metric]}']
    write(Path(config.metrics_dir) / f"freelance_backup_{job}.prom", "\n".join(lines) + "\n")


def log(priority: int, message: str) -> None:
    """Say it to the journal line by line, and to whoever runs the job by hand."""
    for line in message.splitlines():
        syslog.syslog(priority, line)
    print(message, file=sys.stderr if priority <= syslog.LOG_WARNING else sys.stdout)


def perform(config: Config, job: str, *, here: bool) -> int:
    """Do the job if it is this host's, record it and return the exit status."""
    started = time.time()
    outcome: dict[str, Any] = {"exit_status": 0, "bytes": 0}
    try:
        acting = config.member
        if config.cluster_command and not here:
            acting = acting_member(json.loads(run(config.cluster_command)), config.lag_mib_max)
        if acting != config.member:
            if job not in PHYSICAL:
                prune(config, started)
            log(syslog.LOG_INFO, f"{job}: {acting} acts, nothing to do here")
            return 0
        if job in PHYSICAL:
            outcome["bytes"] = physical(config, job)
        else:
            outcome["bytes"] = dump(config, started)
            prune(config, started)  # never after a failure: the last good dumps stay
    except BackupError as error:
        outcome["exit_status"] = error.status
        log(syslog.LOG_ERR, f"{job} failed: {error}")
    except (OSError, ValueError, LookupError) as error:
        outcome["exit_status"] = 1
        log(syslog.LOG_ERR, f"{job} failed: {type(error).__name__}: {error}")
    finished = time.time()
    outcome |= {"duration_seconds": round(finished - started, 3), "finished_timestamp_seconds": int(finished)}
    record(config, job, outcome)
    if not outcome["exit_status"]:
        log(syslog.LOG_INFO, f"{job} succeeded: {outcome['bytes']} bytes in {outcome['duration_seconds']} s")
    return int(outcome["exit_status"])


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run one job under its lock."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=["dump", *PHYSICAL, "check-config"])
    parser.add_argument("--config", default="/etc/freelance-backup.json", help="default: %(default)s")
    parser.add_argument("--here", action="store_true", help="act on this host, whoever else would")
    arguments = parser.parse_args(argv)
    syslog.openlog("freelance-backup", syslog.LOG_PID, syslog.LOG_CRON)
    try:
        config = Config.load(arguments.config)
    except (BackupError, OSError, ValueError) as error:
        log(syslog.LOG_ERR, f"configuration refused: {error}")
        return 78  # EX_CONFIG of sysexits.h
    if arguments.job == "check-config":
        return 0
    if os.geteuid() == 0:
        log(syslog.LOG_ERR, "started as root, backups run as postgres: sudo -u postgres freelance-backup …")
        return 1
    os.umask(0o077)
    # One lock for both physical jobs: pgBackRest would refuse the second anyway.
    name = "physical" if arguments.job in PHYSICAL else arguments.job
    with (Path(config.status_dir) / f"{name}.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log(syslog.LOG_WARNING, f"{arguments.job}: the previous run still holds the lock, left out this time")
            return EXIT_LOCKED
        return perform(config, arguments.job, here=arguments.here)


if __name__ == "__main__":
    sys.exit(main())
