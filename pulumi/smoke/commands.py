"""Runs commands; the one thing that tests replace."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).parents[2]
LAST_CHARACTERS = 600
SECONDS_MAX = 3600


class StepError(Exception):
    """A step that did not show what it should; the message is for the table."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str = ""


class Run(Protocol):
    """Runs a command from the repository's root. `shown`: its output goes to the terminal, `given` to its input."""

    def __call__(self, argv: Sequence[str], *, shown: bool = False, given: str | None = None) -> Done:
        """Return how it ended, whatever its status."""


def real(argv: Sequence[str], *, shown: bool = False, given: str | None = None) -> Done:
    """Run it to its end, after Ctrl-C too. A program that is not there has status 127."""
    pipe = None if shown else subprocess.PIPE
    try:
        child = subprocess.Popen(
            list(argv),
            cwd=ROOT,
            text=True,
            stdin=None if given is None else subprocess.PIPE,
            stdout=pipe,
            stderr=pipe,
        )
    except FileNotFoundError:
        return Done(status=127, stdout="", stderr=f"{argv[0]} is not on PATH")
    with child:
        try:
            stdout, stderr = child.communicate(given, timeout=SECONDS_MAX)
        except KeyboardInterrupt:
            _wait_for_its_end(child)
            raise
        except subprocess.TimeoutExpired:
            child.kill()
            return Done(status=124, stdout="", stderr=f"{argv[0]} did not end in {SECONDS_MAX} s")
    return Done(status=child.returncode, stdout=stdout or "", stderr=stderr or "")


def _wait_for_its_end(child: "subprocess.Popen[str]") -> None:
    """The terminal gave it the signal too: a `pulumi up` that is killed now leaves a lock and what is in no record."""
    while True:
        try:
            child.communicate()
        except KeyboardInterrupt:  # it got this one as well, and Pulumi ends at once by a second
            continue
        return


def must(run: Run, argv: Sequence[str], *, shown: bool = False, given: str | None = None) -> str:
    """Return what a command printed. Raises StepError when it fails."""
    done = run(argv, shown=shown, given=given)
    if done.status:
        said = (done.stderr or done.stdout).strip()[-LAST_CHARACTERS:]
        raise StepError(f"`{' '.join(argv)}` ended with {done.status}: {said}")
    return done.stdout


def answer(run: Run, argv: Sequence[str]) -> Mapping[str, Any]:
    """Return what a command printed as JSON. Raises StepError."""
    text = must(run, argv)
    try:
        value: Mapping[str, Any] = json.loads(text or "{}")
    except ValueError as error:
        raise StepError(f"`{' '.join(argv)}` printed no JSON: {text[:LAST_CHARACTERS]}") from error
    return value
