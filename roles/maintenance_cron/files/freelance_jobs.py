"""What every job has in common: its lock, its outcome as JSON and as metrics, the journal, mail on failure."""

import dataclasses
import datetime
import fcntl
import importlib
import json
import socket
import subprocess
import sys
import syslog
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

EXIT_POSTPONED = 75  # EX_TEMPFAIL of sysexits.h
LAST_LINES = 20


class JobError(Exception):
    """A job failed; `status` becomes its exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class Postponed(Exception):  # noqa: N818 - nothing went wrong
    """A job can't run now; the text says why."""


def run_tool(
    argv: Sequence[str], *, environment: Mapping[str, str] | None = None, timeout_seconds: float | None = None
) -> str:
    """Run a program and return what it printed; a failure raises JobError with its last lines."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL,
            env=environment, timeout=timeout_seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise JobError(f"{argv[0]} did not end within {timeout_seconds} s") from error
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:]
        raise JobError("\n".join([f"{argv[0]} ended with exit status {done.returncode}:", *lines]))
    return done.stdout


def log(priority: int, message: str) -> None:
    """Say it to the journal line by line, and to whoever runs the job by hand."""
    for line in message.splitlines():
        syslog.syslog(priority, line)
    print(message, file=sys.stderr if priority <= syslog.LOG_WARNING else sys.stdout)


def write(path: Path, text: str) -> None:
    """Put a file in place whole, readable by the node exporter."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.chmod(0o644)
    partial.rename(path)


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock; False when somebody else does."""
    with path.open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs the jobs of one program."""

    program: str  # tag in the journal
    metric_prefix: str
    status_dir: Path
    metrics_dir: Path
    mail_to: str  # empty: nobody

    def last(self, job: str) -> dict[str, float]:
        """Read the numbers of a job's last run here; none when there is no such run, or it can't be read."""
        try:
            found = json.loads((self.status_dir / f"{job}.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        values = found if isinstance(found, dict) else {}
        return {name: value for name, value in values.items() if isinstance(value, int | float)}

    def run(
        self, job: str, work: Callable[[], Mapping[str, float]], *,
        lock: str = "", acting: Callable[[], bool] | None = None,
    ) -> int:  # fmt: skip
        """Run a job unless another one holds its lock or another host acts; record it, return its exit status."""
        with locked(self.status_dir / f"{lock or job}.lock") as free:
            if not free:
                log(syslog.LOG_WARNING, f"{job}: the lock {lock or job} is held, left out this time")
                return EXIT_POSTPONED
            started = time.time()
            outcome: dict[str, float] = {"exit_status": 0}
            try:
                if acting is not None and not acting():
                    self.stand_aside(job)
                    return 0
                outcome |= work()
            except Postponed as why:
                log(syslog.LOG_WARNING, f"{job} postponed: {why}")
                return EXIT_POSTPONED
            except JobError as error:
                outcome["exit_status"] = error.status
                self.tell(f"{job} failed: {error}")
            except (OSError, ValueError, LookupError) as error:
                outcome["exit_status"] = 1
                self.tell(f"{job} failed: {type(error).__name__}: {error}")
            self.record(job, outcome, started)
            if not outcome["exit_status"]:
                log(syslog.LOG_INFO, f"{job} succeeded: {json.dumps(outcome)}")
            return int(outcome["exit_status"])

    def stand_aside(self, job: str) -> None:
        """Take back a failure that this host left when it acted last: the host that acts now tells how the job goes."""
        log(syslog.LOG_INFO, f"{job}: another host acts, nothing to do here")
        if (before := self.last(job)).get("exit_status"):
            self.publish(job, {**before, "exit_status": 0})

    def record(self, job: str, outcome: dict[str, float], started: float) -> None:
        """Leave the outcome; the time of the last success survives a failure."""
        finished = time.time()
        success = self.last(job).get("last_success_timestamp_seconds", 0) if outcome["exit_status"] else int(finished)
        outcome |= {
            "duration_seconds": round(finished - started, 3),
            "finished_timestamp_seconds": int(finished),
            "last_success_timestamp_seconds": success,
        }
        self.publish(job, outcome)

    def publish(self, job: str, outcome: Mapping[str, float]) -> None:
        """Write an outcome in both forms."""
        text = json.dumps({"job": job, "host": socket.gethostname(), **outcome}, indent=2)
        write(self.status_dir / f"{job}.json", text + "\n")
        lines = []
        for metric, value in outcome.items():
            name = f"{self.metric_prefix}_{metric}"
            lines += [f"# TYPE {name} gauge", f'{name}{{job="{job}"}} {value}']
        write(self.metrics_dir / f"{self.metric_prefix}_{job}.prom", "\n".join(lines) + "\n")

    def tell(self, message: str) -> None:
        """Say a failure to the journal, and mail it; mail that can't be sent is said too."""
        log(syslog.LOG_ERR, message)
        if not self.mail_to:
            return
        mail = EmailMessage()
        mail["To"], mail["Subject"] = self.mail_to, f"{self.program} on {socket.gethostname()}"
        mail.set_content(message)
        try:
            subprocess.run(["/usr/sbin/sendmail", "-t"], input=mail.as_bytes(), check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            log(syslog.LOG_WARNING, f"no mail to {self.mail_to}: {error}")

    def missed(self, schedules: Mapping[str, str], now: float) -> list[str]:
        """Name the jobs whose newest due time lies after their last run on this host."""
        # A package of the host, which nothing else here needs.
        croniter = importlib.import_module("croniter").croniter
        moment = datetime.datetime.fromtimestamp(now).astimezone()
        return [
            job
            for job, schedule in schedules.items()
            if croniter(schedule, moment).get_prev(float) > self.last(job).get("finished_timestamp_seconds", 0)
        ]
