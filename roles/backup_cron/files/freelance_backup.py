#!/usr/bin/python3 -B
"""Run one backup job: `dump` (logical), `full`, `diff`, `incr`, `verify` (pgBackRest), `marker`, `drill`, `catch-up`.

Started by cron as the user postgres, under a lock. Which host acts is decided at run time. The outcome is left as JSON
(status folder) and as metrics for the node exporter; a failure goes to the journal, and by mail to who is named, with
the tool's own last lines. `catch-up` runs what came due while the host was down, and backups that nobody has finished.
"""

import argparse
import dataclasses
import importlib
import json
import os
import sys
import syslog
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Beside this file in the repository, in folders of their own on a host.
sys.path += [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2] / "job_runner/files")]
sys.path += ["/usr/local/lib/freelance-backup", "/usr/local/lib/freelance-jobs"]

from freelance_dumps import Config, dump, prune
from freelance_jobs import JobError, Postponed, Runner, log, newest_due, run_tool
from freelance_markers import Socket, leads, write_marker
from freelance_physical import BACKUPS, back_up, is_held, verify

# One lock for all that works on the repository: pgBackRest refuses a second backup, and nothing expires what is read.
PHYSICAL = (*BACKUPS, "verify", "drill")
JOBS = ("dump", "marker", *PHYSICAL)
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h
# Beside the server, as beside a bucket, PostgreSQL's clients go first. Backups give way altogether. A dump
# does not: its snapshot keeps dead rows until it is over.
NICE = 10


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
        raise JobError("no member can act: neither a streaming replica nor a leader (see patronictl list)")
    return names[0]


def acts(config: Config, job: str, *, patient: bool) -> bool:
    """Say whether this host acts; a `patient` one postpones while the cluster can't be asked, as after a boot."""
    acting = config.member
    if config.cluster_command:
        try:
            acting = acting_member(json.loads(run_tool(config.cluster_command)), config.lag_mib_max)
        except JobError as error:
            if patient:
                raise Postponed(str(error)) from error
            raise
    if acting == config.member:
        if patient:
            log(syslog.LOG_NOTICE, f"{job}: was missed, it runs now")
        return True
    log(syslog.LOG_INFO, f"{job}: {acting} acts")
    if job == "dump":
        prune(config, time.time())
    return False


def dump_and_ship(config: Config) -> Mapping[str, float]:
    """Dump, send the dumps to the repository where that is asked for, let old ones go."""
    started = time.time()
    names = dump(config, started)
    measured: dict[str, float] = {"bytes": sum((Path(config.dump_dir) / name).stat().st_size for name in names)}
    if config.shipping:
        measured |= importlib.import_module("freelance_shipping").ship(config, names) or {}
    prune(config, started)  # never after a failure: the last good dumps stay
    return measured


def back_up_and_expire(config: Config, job: str) -> Mapping[str, float]:
    """Take a physical backup; with it shipped dumps age, as backups do, where the repository is held."""
    measured = back_up(config, job)
    if config.shipping and job != "incr":
        importlib.import_module("freelance_shipping").expire(config, time.time())
    return measured


def verify_all(config: Config) -> Mapping[str, float]:
    """Read all that the repositories hold, dumps that were sent there too."""
    measured = verify(config)
    if config.shipping:
        measured |= importlib.import_module("freelance_shipping").verify(config)
    return measured


def rehearse(config: Config) -> Mapping[str, float]:
    """Rehearse a restore."""
    if not config.drill:
        raise JobError("no drill is configured on this host (key drill)")
    measured: Mapping[str, float] = importlib.import_module("freelance_drill").rehearse(config)
    return measured


def mark(config: Config, runner: Runner) -> int:
    """Write a marker row on the host that leads. It runs often, so nobody is mailed: a drill without new rows tells."""
    server = Socket(folder=config.socket_dir, port=config.port)
    quiet = dataclasses.replace(runner, mail_to="")
    return quiet.run("marker", lambda: write_marker(server), acting=lambda: leads(server))


def perform(config: Config, runner: Runner, job: str, *, here: bool = False, patient: bool = False) -> int:
    """Do a job if it is this host's, and return its exit status."""
    if job == "marker":
        return mark(config, runner)
    work: Mapping[str, Callable[[], Mapping[str, float]]] = {
        "dump": lambda: dump_and_ship(config),
        "verify": lambda: verify_all(config),
        "drill": lambda: rehearse(config),
    }
    return runner.run(
        job,
        work.get(job, lambda: back_up_and_expire(config, job)),
        lock="physical" if job in PHYSICAL else job,
        acting=None if here else lambda: acts(config, job, patient=patient),
        # The host that acts may die halfway: until the repository holds its backup, this one may have to take it.
        elsewhere_counts=job not in BACKUPS,
    )


def catch_up(config: Config, runner: Runner) -> int:
    """Run what came due while this host was down, and backups that the acting host has not brought to an end."""
    statuses = []
    for job in runner.missed(config.schedules, time.time()):
        if is_held(config, job, newest_due(config.schedules[job], time.time())):
            log(syslog.LOG_INFO, f"{job}: did not run here, the repository holds a backup since")
            runner.answered(job, time.time())
            continue
        statuses.append(perform(config, runner, job, patient=True))
    return max(statuses, default=0)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run one job under its lock."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=[*JOBS, "catch-up", "check-config"])
    parser.add_argument("--config", default="/etc/freelance-backup.json", help="default: %(default)s")
    parser.add_argument("--here", action="store_true", help="act on this host, whoever else would")
    arguments = parser.parse_args(argv)
    syslog.openlog("freelance-backup", syslog.LOG_PID, syslog.LOG_CRON)
    try:
        config = Config.load(arguments.config)
        if arguments.job == "check-config":
            for schedule in config.schedules.values():
                newest_due(schedule, time.time())
            return 0
    except (JobError, OSError, ValueError) as error:
        log(syslog.LOG_ERR, f"configuration refused: {error}")
        return EXIT_CONFIG
    if os.geteuid() == 0:
        log(syslog.LOG_ERR, "started as root, backups run as postgres: sudo -u postgres freelance-backup …")
        return 1
    os.umask(0o077)
    runner = Runner(
        program="freelance-backup",
        metric_prefix="freelance_backup",
        status_dir=Path(config.status_dir),
        metrics_dir=Path(config.metrics_dir),
        mail_to=config.mail_to,
    )
    if arguments.job == "catch-up":
        return catch_up(config, runner)
    return perform(config, runner, arguments.job, here=arguments.here)


if __name__ == "__main__":
    os.nice(NICE)
    sys.exit(main())
