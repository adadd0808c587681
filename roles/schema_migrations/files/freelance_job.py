#!/usr/bin/python3 -B
"""Run a job of a set: `freelance-job SET JOB`, as cron does.

A set is a file, /etc/freelance-SET.json: who runs its jobs, in which folder, and the command of each. A job runs under
a lock of its own; one whose command has to wait (exit status 75), for a backup say, is asked again for some hours. Its
outcome is left as STATUS_DIR/JOB.json, and the journal (tag freelance-SET) has its last line.
"""

import argparse
import dataclasses
import fcntl
import itertools
import json
import os
import pwd
import socket
import subprocess
import sys
import syslog
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# What PostgreSQL adds to an error: it quotes rows and statements, whose values have lines of their own.
ADDED_TO_AN_ERROR = ("LINE ", "DETAIL:", "HINT:", "QUERY:", "CONTEXT:")
EXIT_POSTPONED = 75  # EX_TEMPFAIL of sysexits.h: the same job still runs, or its command has to wait
EXIT_CONFIG = 78  # EX_CONFIG
# How often a command that has to wait is asked again, and for how long: by cron until morning, in a play briefly.
PAUSE_S = 60
WAIT_S, WAIT_UNPROVEN_S = 4 * 3600, 300


class ConfigError(Exception):
    """The file of a set can't be used; the text says why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobSet:
    """The file of a set (JSON): exactly these keys."""

    user: str
    directory: str
    status_dir: str
    jobs: dict[str, list[str]]

    @classmethod
    def load(cls, path: str) -> "JobSet":
        """Read a file. Raises ConfigError for an unknown or missing key, OSError and ValueError."""
        values: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        known = {field.name for field in dataclasses.fields(cls)}
        if wrong := known.symmetric_difference(values):
            raise ConfigError(f"{path}: missing or unknown keys: {', '.join(sorted(wrong))}")
        return cls(**values)


def log(priority: int, message: str) -> None:
    """Say it to the journal line by line, and to whoever runs the job by hand."""
    for line in message.splitlines():
        syslog.syslog(priority, line)
    print(message, file=sys.stderr if priority <= syslog.LOG_WARNING else sys.stdout)


def last_success(path: Path) -> int:
    """Return when a job last succeeded here (epoch), 0 when it never did or its outcome can't be read."""
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["last_success_timestamp_seconds"])
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return 0


def last_line(text: str) -> list[str]:
    """Return the last line that says something, before what may quote a row. No line: nothing was said."""
    lines = itertools.takewhile(lambda line: not line.startswith(ADDED_TO_AN_ERROR), text.splitlines())
    return [line for line in lines if line.strip()][-1:]


def start(config: JobSet, job: str) -> tuple[int, list[str]]:
    """Run a job's command; return its exit status and its last line."""
    try:
        done = subprocess.run(
            config.jobs[job], cwd=config.directory, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", check=False,
        )  # fmt: skip
    except OSError as error:
        return 1, [str(error)]
    return done.returncode, last_line(done.stderr if done.returncode and done.stderr.strip() else done.stdout)


def perform(config: JobSet, job: str, wait_seconds: float) -> int:
    """Run a job, leave its outcome and return its exit status; one that had to wait for too long leaves none."""
    deadline = time.monotonic() + wait_seconds
    started = time.time()
    status, said = start(config, job)
    if status == EXIT_POSTPONED and wait_seconds:
        log(syslog.LOG_NOTICE, ": ".join([f"{job} has to wait", *said]))
    while status == EXIT_POSTPONED and time.monotonic() < deadline:
        time.sleep(PAUSE_S)
        started = time.time()
        status, said = start(config, job)
    if status == EXIT_POSTPONED:
        log(syslog.LOG_ERR, ": ".join([f"{job} has not run, it had to wait for more than {wait_seconds:.0f} s", *said]))
        return status
    finished = time.time()
    seconds = round(finished - started, 3)
    path = Path(config.status_dir) / f"{job}.json"
    outcome = {
        "job": job,
        "host": socket.gethostname(),
        "exit_status": status,
        "duration_seconds": seconds,
        "finished_timestamp_seconds": int(finished),
        "last_success_timestamp_seconds": last_success(path) if status else int(finished),
    }
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(outcome, indent=2) + "\n", encoding="utf-8")
    partial.chmod(0o644)
    partial.rename(path)
    if status:
        log(syslog.LOG_ERR, ": ".join([f"{job} failed with exit status {status}", *said]))
    else:
        log(syslog.LOG_INFO, " ".join([f"{job} succeeded in {seconds} s", *said]))
    return status


def run(config: JobSet, job: str, wait_seconds: float = WAIT_S) -> int:
    """Run a job unless it still runs. Return its exit status."""
    with (Path(config.status_dir) / f"{job}.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log(syslog.LOG_WARNING, f"{job}: the previous run still holds the lock, left out this time")
            return EXIT_POSTPONED
        return perform(config, job, wait_seconds)


def refusal(config: JobSet, job: str | None) -> str:
    """Return why this can't be run, "" when it can."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    if user != config.user:
        return f"started as {user}, these jobs run as {config.user}: sudo -u {config.user} freelance-job …"
    if job is not None and job not in config.jobs:
        return f"{job}: there is no such job, but {', '.join(sorted(config.jobs))}"
    return ""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run what it names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", help="name of the set, as in /etc/freelance-SET.json")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("job", nargs="?", help="name of the job")
    what.add_argument("--unproven", action="store_true", help="run each job that never succeeded on this host")
    what.add_argument("--check-config", metavar="FILE", help="say what is wrong with such a file, and run nothing")
    arguments = parser.parse_args(argv)
    syslog.openlog(f"freelance-{arguments.set}", syslog.LOG_PID, syslog.LOG_CRON)
    try:
        config = JobSet.load(arguments.check_config or f"/etc/freelance-{arguments.set}.json")
    except (ConfigError, OSError, ValueError) as error:
        log(syslog.LOG_ERR, f"configuration refused: {error}")
        return EXIT_CONFIG
    if arguments.check_config:
        return 0
    if why := refusal(config, arguments.job):
        log(syslog.LOG_ERR, why)
        return EXIT_CONFIG
    os.umask(0o077)
    jobs = [arguments.job] if arguments.job else config.jobs
    if arguments.unproven:
        jobs = [job for job in jobs if not last_success(Path(config.status_dir) / f"{job}.json")]
    statuses = [abs(run(config, job, WAIT_UNPROVEN_S if arguments.unproven else WAIT_S)) for job in jobs]
    if arguments.unproven:
        # Who holds the lock of a job leaves its outcome; what has to wait is cron's to prove.
        statuses = [status for status in statuses if status != EXIT_POSTPONED]
    return max(statuses, default=0)


if __name__ == "__main__":
    sys.exit(main())
