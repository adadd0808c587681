"""Run steps side by side where one does not need another: progress, a log each, a table of times at the end.

Only the standard library: it runs before a virtual environment exists.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import BinaryIO, Literal

from lab import processes
from lab.shell import as_root

HEARTBEAT_S = 30.0
TAIL_LINES = 40
STOP_TIMEOUT_S = 20.0
POLL_S = 0.5
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Status = Literal["done", "failed", "stopped", "not run"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command. `needs`: steps that have to be done before; `after`: steps that have to be over, however they ended.

    `activated` runs the command after activate.sh.
    """

    name: str
    argv: Sequence[str]
    needs: Sequence[str] = ()
    after: Sequence[str] = ()
    activated: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a step ended. `remark` is the last line that a step printed as `remark: …`."""

    name: str
    status: Status
    seconds: float
    log: Path
    remark: str = ""


def _send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and its descendants of our own process group, as a terminal would."""
    if processes.start_time(pid) is None:
        return
    descendants = processes.children(pid)
    with suppress(ProcessLookupError):
        if os.getpgid(pid) == os.getpgid(0):
            try:
                os.kill(pid, number)
            except PermissionError:  # sudo and what it runs; sudo itself passes nothing on that its own group sends
                kill = as_root(["kill", f"-{number.value}", str(pid)])
                subprocess.run(kill, check=False, stdin=subprocess.DEVNULL, capture_output=True)
    for child in descendants:
        _send(child, number)


class Runner:
    """Runs a list of steps once. `parallel`: how many at a time; `keep_going`: a failure stops only what needs it;
    `lock`: a descriptor (see lab.lock) that the steps hold too.
    """

    def __init__(  # noqa: PLR0913  each is named where it is given
        self,
        steps: Sequence[Step],
        *,
        root: Path,
        logs: Path,
        parallel: int = 3,
        keep_going: bool = False,
        lock: int | None = None,
    ):
        unknown = {need for step in steps for need in (*step.needs, *step.after)} - {step.name for step in steps}
        if unknown:
            raise ValueError(f"steps need what is not there: {', '.join(sorted(unknown))}")
        self._steps = list(steps)
        self._root = root
        self._logs = logs
        self._parallel = parallel
        self._keep_going = keep_going
        self._inherited = () if lock is None else (lock,)
        self._signals: list[int] = []
        self._lock = threading.Condition()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._results: dict[str, Result] = {}
        self._stopping = False

    def run(self) -> list[Result]:
        """Run all. Results in the order of the steps.

        After a failure nothing new starts and what runs is ended, unless it is to keep going. The first Ctrl+C waits
        for the running steps, the second one ends them as SIGTERM and SIGHUP do; the table comes in any case.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        try:
            self._run_all()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        results = [self._results.get(step.name) or self._not_run(step) for step in self._steps]
        self._table(results, time.monotonic() - began)
        return results

    def _run_all(self) -> None:
        """Start what is ready until nothing runs and nothing is left that could."""
        started: set[str] = set()
        with self._lock:
            while True:
                while self._signals:
                    self._obey(self._signals.pop(0))
                ready = [] if self._stopping else self._ready(started)
                for step in ready:
                    started.add(step.name)
                    threading.Thread(target=self._work, args=(step,)).start()
                if not ready and len(self._results) == len(started):
                    return  # what is left needs a step that failed
                self._lock.wait(POLL_S)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        # Only noted: an exception out of a handler could come between two lines that belong together.
        self._signals.append(number)

    def _obey(self, number: int) -> None:
        if number == signal.SIGINT and not self._stopping:
            # The terminal sent the signal to the steps' processes as well: they are given time to end in order.
            self._say("interrupted: waiting for the running steps to end; once more ends them")
            self._stopping = True
        else:
            self._say("told to end: ending the running steps")
            self._stop()

    def _ready(self, started: set[str]) -> list[Step]:
        done = {name for name, result in self._results.items() if result.status == "done"}
        room = self._parallel - len(started - set(self._results))
        over = {*self._results, *self._out_of_reach()}
        waiting = [
            step
            for step in self._steps
            if step.name not in started and done.issuperset(step.needs) and over.issuperset(step.after)
        ]
        return waiting[: max(room, 0)]

    def _out_of_reach(self) -> set[str]:
        """Steps that can't run any more, since something that they need was not done."""
        lost = {name for name, result in self._results.items() if result.status != "done"}
        while more := {step.name for step in self._steps if lost.intersection(step.needs)} - lost:
            lost |= more
        return lost

    def _work(self, step: Step) -> None:
        label = f"[{self._steps.index(step) + 1}/{len(self._steps)}] {step.name}"
        log = self._log(step)
        began = time.monotonic()
        self._say(f"{label} …")
        status: Status = "failed"
        try:
            with log.open("wb") as output:
                process = self._start(step, output)
                while True:
                    try:
                        process.wait(HEARTBEAT_S)
                        break
                    except subprocess.TimeoutExpired:
                        self._say(f"{label} … {time.monotonic() - began:.0f} s")
            status = "done" if process.returncode == 0 else "failed"
        except OSError as error:
            log.write_text(f"{step.argv[0]}: {error}\n")
        seconds = time.monotonic() - began
        with self._lock:
            self._running.pop(step.name, None)
            if status == "failed" and (self._stopping or self._signals):  # the second: noted, not yet obeyed
                status = "stopped"
            lines = log.read_text(errors="replace").splitlines()
            remarks = [line.removeprefix("remark: ") for line in lines if line.startswith("remark: ")]
            result = Result(
                name=step.name, status=status, seconds=seconds, log=log, remark=remarks[-1] if remarks else ""
            )
            self._results[step.name] = result
            self._say(f"{label} {status} {seconds:.1f} s{f' ({result.remark})' if result.remark else ''}")
            if status == "failed":
                self._say(f"--- the last lines of {log}:")
                self._say("\n".join(lines[-TAIL_LINES:]))
                if not self._keep_going:
                    self._stop()
            self._lock.notify_all()

    def _start(self, step: Step, output: BinaryIO) -> "subprocess.Popen[bytes]":
        argv = list(step.argv)
        if step.activated:
            argv = ["bash", "-c", 'source activate.sh && exec "$@"', "bash", *argv]
        with self._lock:
            if self._stopping:
                raise InterruptedError("told to end before it began")
            process = subprocess.Popen(
                # A shell starts what runs in its background deaf to SIGINT, and that is inherited: _stop must be heard.
                ["env", "--default-signal=INT", *argv],
                cwd=self._root,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **step.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=self._inherited,
            )
            self._running[step.name] = process
        return process

    def _stop(self) -> None:
        self._stopping = True
        for process in self._running.values():
            # As Ctrl+C does: pulumi and ansible-playbook end in order on it.
            _send(process.pid, signal.SIGINT)
            timer = threading.Timer(STOP_TIMEOUT_S, _send, (process.pid, signal.SIGKILL))
            timer.daemon = True
            timer.start()

    def _log(self, step: Step) -> Path:
        return self._logs / f"{step.name.replace(' ', '_')}.log"

    def _not_run(self, step: Step) -> Result:
        return Result(name=step.name, status="not run", seconds=0.0, log=self._log(step))

    def _say(self, text: str) -> None:
        print(text, flush=True)

    def _table(self, results: Sequence[Result], seconds: float) -> None:
        width = max(len(result.name) for result in results)
        self._say("")
        for result in sorted(results, key=lambda one: -one.seconds):
            self._say(f"  {result.name:<{width}}  {result.seconds:7.1f} s  {result.status:<8} {result.remark}".rstrip())
        self._say(f"  {'all together':<{width}}  {seconds:7.1f} s")
