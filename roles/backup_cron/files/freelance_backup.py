#!/usr/bin/python3 -B
"""Run one backup job: `dump` (logical, pg_dump), `full` or `diff` (physical, pgBackRest).

Started by cron as the user postgres, under a lock. Which host acts is decided at run time. The outcome is left as JSON
(status folder) and as metrics for the node exporter; a failure goes to the journal with the tool's own last lines.
"""

import argparse
import fcntl
import json
import os
import socket
import sys
import syslog
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Beside this file in the repository, in a folder of its own on a host.
sys.path += [str(Path(__file__).resolve().parent), "/usr/local/lib/freelance-backup"]

from freelance_dumps import BackupError, Config, dump, log, prune, run

PHYSICAL = ("full", "diff")
EXIT_LOCKED = 75  # EX_TEMPFAIL of sysexits.h: the same job still runs
METRICS = {
    "exit_status": "Exit status of the last run.",
    "duration_seconds": "Duration of the last run in seconds.",
    "bytes": "Bytes that the last run stored.",
    "finished_timestamp_seconds": "When the last run ended.",
    "last_success_timestamp_seconds": "When a run last succeeded.",
}


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


def last_outcome(config: Config, job: str) -> dict[str, Any]:
    """Read what the last run left here; numbers alone, and nothing when there is none or it can't be read."""
    try:
        found = json.loads((Path(config.status_dir) / f"{job}.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    values = found if isinstance(found, dict) else {}
    return {metric: values[metric] for metric in METRICS if isinstance(values.get(metric), int | float)}


def stand_aside(config: Config, job: str, acting: str) -> None:
    """Take back a failure that this host left when it acted last: the host that acts now tells how the job goes."""
    before = last_outcome(config, job)
    if before.get("exit_status"):
        write_outcome(config, job, {**dict.fromkeys(METRICS, 0), **before, "exit_status": 0, "acting": acting})


def record(config: Config, job: str, outcome: dict[str, Any]) -> None:
    """Leave the outcome as JSON and as metrics; the time of the last success survives a failure."""
    success = outcome["finished_timestamp_seconds"]
    if outcome["exit_status"]:
        success = last_outcome(config, job).get("last_success_timestamp_seconds", 0)
    write_outcome(config, job, {**outcome, "last_success_timestamp_seconds": success})


def write_outcome(config: Config, job: str, outcome: Mapping[str, Any]) -> None:
    """Write an outcome in both forms."""
    path = Path(config.status_dir) / f"{job}.json"
    write(path, json.dumps({"job": job, "host": socket.gethostname(), **outcome}, indent=2) + "\n")
    lines = []
    for metric, text in METRICS.items():
        name = f"freelance_backup_{metric}"
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge", f'{name}{{job="{job}"}} {outcome[metric]}']
    write(Path(config.metrics_dir) / f"freelance_backup_{job}.prom", "\n".join(lines) + "\n")


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
            stand_aside(config, job, acting)
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
