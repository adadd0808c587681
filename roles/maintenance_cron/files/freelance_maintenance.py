#!/usr/bin/python3 -B
"""Run one job of upkeep: `analyze`, `vacuum` or `reindex` on the leader; `statements`, `report` or `capacity` anywhere.

Started by cron as the user postgres, under a lock. All but `statements` and `capacity` run inside a window of hours,
under a limit of load and never during a backup or a migration: they are postponed (exit status 75) and `catch-up` tries
again. A statement that runs when a backup begins, a deployment waits or the window closes is ended, and postponed too.
Partitions and statistics views are the application's own jobs: see /etc/cron.d/freelance-application.
"""

import argparse
import contextlib
import dataclasses
import datetime
import functools
import os
import re
import sys
import syslog
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

# Beside this file in the repository, in folders of their own on a host.
sys.path += [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2] / "job_runner/files")]
sys.path += ["/usr/local/lib/freelance-maintenance", "/usr/local/lib/freelance-jobs"]

import freelance_reports
import freelance_upkeep as upkeep
import freelance_upkeep_server as server
from freelance_jobs import JobError, Postponed, Runner, log
from freelance_upkeep import Action, Limits
from freelance_upkeep_server import Asked, Config

UPKEEP = ("analyze", "vacuum", "reindex")
KEPT = ("statements", "report", "capacity")
LIGHT = ("statements", "capacity")
LOCKS = Path("/proc/locks")  # proc_locks(5)
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h


def busy_file(paths: Sequence[str]) -> str:
    """Name a lock of another job on this host that is held; empty: none is.

    Read and not tried: a backup that begins at that moment would find its lock held. By the inode alone, as some file
    systems have a device there that stat(2) does not tell.
    """
    held = set(re.findall(r"(?m)\bFLOCK .* [0-9a-f]+:[0-9a-f]+:([0-9]+) \S+ \S+$", LOCKS.read_text(encoding="utf-8")))
    there = [path for path in map(Path, paths) if path.exists()]
    return next((str(path) for path in there if str(path.stat().st_ino) in held), "")


def closed(config: Config, now: bool) -> str:
    """Tell that the hour forbids work; empty: it does not. `now`: somebody wants it whatever it is."""
    hour = datetime.datetime.now().astimezone().hour
    if now or upkeep.in_window(hour, config.window_start_hour, config.window_end_hour):
        return ""
    return f"outside the window, {config.window_start_hour} to {config.window_end_hour} o'clock"


def not_now(config: Config, now: bool) -> str:
    """Tell why the hour or the load forbids work; empty: nothing does. `now`: somebody wants it whatever they are."""
    if now:
        return ""
    if why := closed(config, now):
        return why
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    if load > config.load_per_core_max:
        return f"load {load:.2f} for each core, {config.load_per_core_max} allowed"
    return ""


def busy(config: Config, *locks: Mapping[str, int]) -> str:
    """Tell what upkeep has to wait for: a backup, or who holds one of such locks; empty: nothing."""
    if held := busy_file(config.busy_files):
        return f"a backup is running: {held} is held"
    return server.busy_on_server(config, *locks)


def obstacle(config: Config, now: bool) -> str:
    """Tell why upkeep has to wait; empty: it may run."""
    return busy(config, config.busy_locks, config.urgent_locks) or not_now(config, now)


def has_to_end(config: Config, now: bool) -> str:
    """Tell why a statement that runs has to end; empty: it may go on. Its own load does not count."""
    return busy(config, config.urgent_locks) or closed(config, now)


def databases(config: Config, job: str) -> list[str]:
    """Name the databases of a job. What is too old counts in all of them."""
    return server.databases(config) if job == "vacuum" else config.databases


def planned(config: Config, job: str, database: str, may_go_on: Callable[[], None], asked: Asked) -> Iterator[Action]:
    """Give a database's actions one by one: an index is measured when its turn has come, and only if that may be."""
    limits = Limits(**config.limits)
    if job != "reindex":
        plan = upkeep.analyze if job == "analyze" else upkeep.vacuum
        yield from plan(server.tables(config, database), limits)
        return
    indexes = server.indexes(config, database)
    yield from upkeep.leftovers(indexes)
    yield from upkeep.reindex_collated(indexes)
    for index in upkeep.to_measure(indexes, limits):
        may_go_on()
        yield from upkeep.reindex_bloated(index, server.density_percent(config, database, index, asked), limits)


def act(config: Config, database: str, action: Action, asked: Asked) -> None:
    """Run one statement. What a rebuild that failed or was ended has left is removed at once."""
    log(syslog.LOG_INFO, f"{database}: {action.statement}  -- {action.why}")
    # A rebuild waits for transactions that see the old index, and nobody waits for it meanwhile.
    patient = {"lock_timeout": f"{config.rebuild_wait_seconds}s"} if " INDEX " in action.statement else None
    try:
        asked(database, action.statement, patient)
    except (JobError, Postponed):
        if action.statement.startswith("REINDEX"):
            # Where that has to make room, too, the next run begins with it.
            with contextlib.suppress(Postponed):
                for left in upkeep.leftovers(server.indexes(config, database)):
                    asked(database, left.statement, patient)
        raise


def work(config: Config, job: str, now: bool) -> Mapping[str, float]:
    """Do what is to be done in each database. One failure keeps nothing else from being done, but fails the job."""
    done, failures = 0, list[str]()
    asked = functools.partial(server.ask_alone, config, functools.partial(has_to_end, config, now))

    def may_go_on() -> None:
        if why := obstacle(config, now):
            raise Postponed(why)

    try:
        for database in databases(config, job):
            failed = len(failures)
            for action in planned(config, job, database, may_go_on, asked):
                may_go_on()
                try:
                    act(config, database, action, asked)
                    done += 1
                except JobError as error:
                    failures.append(f"{action.statement}: {error}")
            if job == "reindex" and len(failures) == failed:
                failures += settle_collations(config, database)
    except Postponed as why:
        told = f"{why} ({done} done before)"
        if failures:
            # What failed before would be told to nobody.
            raise JobError("\n".join([*failures, f"the rest has to wait: {told}"])) from why
        raise Postponed(told) from why
    if failures:
        raise JobError("\n".join(failures))
    return {"actions": done}


def settle_collations(config: Config, database: str) -> list[str]:
    """Note the versions that all indexes are made with now; name those that somebody has to rebuild."""
    indexes = server.indexes(config, database)
    if left := upkeep.by_hand(indexes):
        return [f"{database}: version of a collation changed, REINDEX by hand: {', '.join(left)}"]
    server.refresh_versions(config, database, {name for index in indexes for name in index.collations})
    return []


def check(config: Config, job: str, now: bool) -> None:
    """Print what the job would do and what stands in its way. Changes nothing."""
    if job == "statements":
        print(f"would keep {len(server.statements(config)['statements'])} statements")
        return
    if job == "capacity":
        print(f"would add a sample to {freelance_reports.capacity_file(config)}")
        return
    if job == "report":
        for log in freelance_reports.unread(config, datetime.datetime.now(datetime.UTC))[0].values():
            print(f"would read {log}")
        print(f"not now: {why}" if (why := obstacle(config, now)) else "nothing stands in its way")
        return
    if not server.leads(config):
        print("would do nothing: this host's server does not lead")
        return
    asked = functools.partial(server.ask, config)
    looked = {one: list(planned(config, job, one, lambda: None, asked)) for one in databases(config, job)}
    for database, actions in looked.items():
        for action in actions:
            print(f"would run in {database}: {action.statement}  -- {action.why}")
    print(
        f"{sum(map(len, looked.values()))} to do; "
        + (f"not now: {why}" if (why := obstacle(config, now)) else "nothing stands in the way")
    )


def start(config: Config, runner: Runner, job: str, now: bool) -> int:
    """Run a job under its lock; those that change the database never beside each other."""
    moment = datetime.datetime.now(datetime.UTC)
    if job == "statements":
        return runner.run(job, lambda: freelance_reports.snapshot(config, moment))
    if job == "report":
        return runner.run(job, lambda: freelance_reports.report(config, moment, lambda: obstacle(config, now)))
    if job == "capacity":
        # Every hour, also while PostgreSQL is stopped on purpose: nobody is mailed, metrics and pages tell.
        return dataclasses.replace(runner, mail_to="").run(job, lambda: freelance_reports.capacity(config))

    def upkeep_now() -> Mapping[str, float]:
        if why := obstacle(config, now):
            raise Postponed(why)
        return work(config, job, now)

    return runner.run(job, upkeep_now, lock="database", acting=lambda: server.leads(config))


def catch_up(config: Config, runner: Runner) -> int:
    """Run what was missed or postponed; outside the window no word is lost about what has to wait for it."""
    missed = runner.missed(config.schedules, time.time())
    if not_now(config, now=False):
        missed = [job for job in missed if job in LIGHT]
    if set(missed) & set(UPKEEP) and not server.leads(config):
        missed = [job for job in missed if job not in UPKEEP]
    return max((start(config, runner, job, now=False) for job in missed), default=0)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run one job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=[*UPKEEP, *KEPT, "catch-up", "check-config"])
    parser.add_argument("--config", default="/etc/freelance-maintenance.json", help="default: %(default)s")
    parser.add_argument("--check", action="store_true", help="print what the job would do, change nothing")
    parser.add_argument("--now", action="store_true", help="whatever the hour and the load; never during a backup")
    arguments = parser.parse_args(argv)
    syslog.openlog("freelance-maintenance", syslog.LOG_PID, syslog.LOG_CRON)
    try:
        config = Config.load(arguments.config)
    except (OSError, ValueError, TypeError) as error:
        log(syslog.LOG_ERR, f"configuration refused: {error}")
        return EXIT_CONFIG
    if arguments.job == "check-config":
        return 0
    if os.geteuid() == 0:
        log(syslog.LOG_ERR, "started as root, upkeep runs as postgres: sudo -u postgres freelance-maintenance …")
        return 1
    os.umask(0o077)
    runner = Runner(
        program="freelance-maintenance",
        metric_prefix="freelance_maintenance",
        status_dir=Path(config.status_dir),
        metrics_dir=Path(config.metrics_dir),
        mail_to=config.mail_to,
    )
    try:
        if arguments.check:
            jobs = [arguments.job]
            if arguments.job == "catch-up":
                jobs = runner.missed(config.schedules, time.time(), note=False)
            for job in jobs:
                check(config, job, arguments.now)
            status = 0
        elif arguments.job == "catch-up":
            status = catch_up(config, runner)
        else:
            status = start(config, runner, arguments.job, arguments.now)
    except JobError as error:
        log(syslog.LOG_ERR, f"{arguments.job} failed: {error}")
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
