"""What all jobs have in common: a lock, the outcome as JSON and as metrics, the journal, mail about a failure.

`Runner.missed` tells what was due while its host was down; schedules are read with Debian's python3-croniter.
"""

import datetime
import fcntl
import importlib
import json
import os
import socket
import subprocess
import sys
import syslog
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

LAST_LINES = 20
EXIT_POSTPONED = 75  # EX_TEMPFAIL of sysexits.h
GRACE_S = 300  # a job that came due less long ago is cron's own to start
MAIL_TIMEOUT_S = 60
SENDMAIL = "/usr/sbin/sendmail"
METRICS = {
    "exit_status": "Exit status of the last run.",
    "duration_seconds": "Duration of the last run in seconds.",
    "finished_timestamp_seconds": "When the last run ended.",
    "last_success_timestamp_seconds": "When a run last succeeded.",
    "bytes": "Bytes that the last run stored or read.",
}


class JobError(Exception):
    """A job failed; `status` becomes the exit status. The text holds the tool's own last lines and no secret."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class Postponed(Exception):  # noqa: N818 - nothing went wrong
    """A job can't run now; the text says why. It counts as not yet run."""


def run_tool(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float | None = None,
    stdin_path: Path | None = None,
    before: Sequence[str] = (),
) -> str:
    """Run a program, its environment enlarged, and return its output; a failure raises JobError with its last lines.

    `before` it stands what starts it, such as chrt.
    """
    more = {**os.environ, **(environment or {})}
    try:
        with (stdin_path or Path(os.devnull)).open("rb") as source:
            done = subprocess.run(
                [*before, *argv],
                capture_output=True,
                check=False,
                encoding="utf-8",
                env=more,
                errors="replace",
                stdin=source,
                timeout=timeout_seconds,
            )
    except subprocess.TimeoutExpired as error:
        raise JobError(f"{argv[0]} did not end within {timeout_seconds} s") from error
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:]
        # Of a program that a signal ended, subprocess gives a negative number.
        status = done.returncode if done.returncode > 0 else 128 - done.returncode
        raise JobError("\n".join([f"{argv[0]} ended with exit status {status}:", *lines]), status)
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


def newest_due(schedule: str, now: float) -> float:
    """Return when a schedule of crontab(5), in the host's time, last came due before `now`."""
    # A package of the host: only who asks for missed jobs needs it.
    croniter = importlib.import_module("croniter").croniter
    due: datetime.datetime = croniter(schedule, datetime.datetime.fromtimestamp(now)).get_prev(datetime.datetime)
    return due.timestamp()


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs the jobs of one program."""

    program: str  # tag in the journal
    metric_prefix: str
    status_dir: Path
    metrics_dir: Path
    mail_to: str  # empty: nobody

    def run(
        self,
        job: str,
        work: Callable[[], Mapping[str, float]],
        *,
        lock: str = "",
        acting: Callable[[], bool] | None = None,
        elsewhere_counts: bool = True,
    ) -> int:
        """Run a job, unless its lock is held or another host acts; record it and return its exit status.

        With `elsewhere_counts` a job that another host does is done. Without, it stays open here until the caller sees
        that the other host has brought it to its end.
        """
        with self._locked(lock or job) as free:
            if not free:
                log(syslog.LOG_NOTICE, f"{job}: a run still holds the lock {lock or job}, left out this time")
                return EXIT_POSTPONED
            started = time.time()
            outcome: dict[str, float] = {"exit_status": 0}
            try:
                if acting is not None and not acting():
                    self._stand_aside(job)
                    if elsewhere_counts:
                        self.answered(job, started)
                    return 0
                outcome |= work()
            except Postponed as why:
                log(syslog.LOG_NOTICE, f"{job} postponed: {why}")
                return EXIT_POSTPONED
            except JobError as error:
                outcome["exit_status"] = error.status or 1
                self._tell(job, str(error))
            except Exception as error:
                # Whatever it was: a run that ends without a word looks like one that went well.
                outcome["exit_status"] = 1
                self._tell(job, f"{type(error).__name__}: {error}")
            self._record(job, outcome, started)
            self.answered(job, started)
            if not outcome["exit_status"]:
                numbers = ", ".join(f"{name} {value}" for name, value in outcome.items() if name not in METRICS)
                stored = f"{outcome.get('bytes', 0)} bytes in {outcome['duration_seconds']} s"
                log(syslog.LOG_INFO, f"{job} succeeded: {stored}{numbers and f' ({numbers})'}")
            return int(outcome["exit_status"])

    def missed(self, schedules: Mapping[str, str], now: float, *, note: bool = True) -> list[str]:
        """Name the jobs that came due since they last ran, or stood aside, here.

        A run that a reboot ended counts as none, one that failed counts. Of a job that is new here only what comes due
        from now on counts; `note` keeps that now.
        """
        found = []
        for job, schedule in schedules.items():
            try:
                last = self._answer(job).stat().st_mtime
            except FileNotFoundError:
                if note:
                    self.answered(job, now)
                continue
            if last < newest_due(schedule, now - GRACE_S):
                found.append(job)
        return found

    def answered(self, job: str, moment: float) -> None:
        """Keep that what came due before a moment is done."""
        path = self._answer(job)
        path.touch()
        os.utime(path, (moment, moment))

    def last(self, job: str) -> dict[str, float]:
        """Read the numbers of a job's last run here; none when there is none or it can't be read."""
        try:
            found = json.loads((self.status_dir / f"{job}.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        values = found if isinstance(found, dict) else {}
        return {name: value for name, value in values.items() if isinstance(value, int | float)}

    def _answer(self, job: str) -> Path:
        """Name the empty file whose time says up to when a job is done."""
        return self.status_dir / f"{job}.answered"

    @contextmanager
    def _locked(self, name: str) -> Iterator[bool]:
        """Hold a lock; False when somebody else does."""
        with (self.status_dir / f"{name}.lock").open("w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _stand_aside(self, job: str) -> None:
        """Take back a failure that this host left when it acted last: the host that acts now tells how the job goes."""
        log(syslog.LOG_INFO, f"{job}: another host acts, nothing to do here")
        if (before := self.last(job)).get("exit_status"):
            self._publish(job, {**before, "exit_status": 0})

    def _record(self, job: str, outcome: dict[str, float], started: float) -> None:
        """Leave an outcome; the time of the last success survives a failure."""
        finished, last = time.time(), self.last(job)
        before = last.get("last_success_timestamp_seconds", 0)
        if outcome["exit_status"]:
            # What a run measures only when it succeeds, and the limits beside it, stay known to whoever watches them.
            outcome = {name: value for name, value in last.items() if name not in METRICS} | outcome
        outcome |= {
            "duration_seconds": round(finished - started, 3),
            "finished_timestamp_seconds": int(finished),
            "last_success_timestamp_seconds": before if outcome["exit_status"] else int(finished),
        }
        self._publish(job, outcome)

    def _publish(self, job: str, outcome: Mapping[str, float]) -> None:
        """Write an outcome in both forms."""
        text = json.dumps({"job": job, "host": socket.gethostname(), **outcome}, indent=2)
        write(self.status_dir / f"{job}.json", text + "\n")
        lines = []
        for metric, value in outcome.items():
            name = f"{self.metric_prefix}_{metric}"
            told = METRICS.get(metric, "What the last run that could measure it found.")
            lines += [f"# HELP {name} {told}", f"# TYPE {name} gauge", f'{name}{{job="{job}"}} {value}']
        write(self.metrics_dir / f"{self.metric_prefix}_{job}.prom", "\n".join(lines) + "\n")

    def _tell(self, job: str, reason: str) -> None:
        """Say a failure to the journal and mail it; mail that can't be sent is said too, and changes nothing."""
        log(syslog.LOG_ERR, f"{job} failed: {reason}")
        if not self.mail_to:
            return
        mail = EmailMessage()
        mail["To"], mail["Subject"] = self.mail_to, f"{self.program}: {job} failed on {socket.gethostname()}"
        mail.set_content(f"{reason}\n\nMore: journalctl -t {self.program}\n")
        try:
            subprocess.run(
                [SENDMAIL, "-t"], input=mail.as_bytes(), capture_output=True, check=True, timeout=MAIL_TIMEOUT_S
            )
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or b"").decode("utf-8", "replace").strip()
            log(syslog.LOG_WARNING, f"no mail to {self.mail_to}: {said or error}")
