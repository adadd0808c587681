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
    """Run it. A program that is not there has status 127."""
    try:
        done = subprocess.run(
            list(argv), cwd=ROOT, input=given, text=True, capture_output=not shown, check=False, timeout=SECONDS_MAX
        )
    except FileNotFoundError:
        return Done(status=127, stdout="", stderr=f"{argv[0]} is not on PATH")
    except subprocess.TimeoutExpired:
        return Done(status=124, stdout="", stderr=f"{argv[0]} did not end in {SECONDS_MAX} s")
    return Done(status=done.returncode, stdout=done.stdout or "", stderr=done.stderr or "")


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
