"""What a run of drills has shown so far: kept while the run is unfinished, so that the next start goes on there."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab.paths import ROOT

PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"


@dataclass(frozen=True)
class Drill:
    """One drill's outcome. `figures` holds (what, value, unit) in the order of measuring; `commit` is what was run."""

    name: str
    outcome: str
    seconds: float
    date: str
    figures: list[tuple[str, float, str]] = field(default_factory=list)
    reason: str = ""
    commit: str = ""

    @property
    def title(self) -> str:
        """The drill as a sentence."""
        name, bracket, parameter = self.name.removeprefix("test_").partition("[")
        return name.replace("_", " ").capitalize() + (f" ({parameter.removesuffix(']')})" if bracket else "")


class Record:
    """The drills of one run, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.drills: dict[str, Drill] = {}
        if path.exists():
            for row in json.loads(path.read_text(encoding="utf-8")):
                figures = [(str(what), float(value), str(unit)) for what, value, unit in row.pop("figures")]
                self.add(Drill(**row, figures=figures), save=False)

    def add(self, drill: Drill, *, save: bool = True) -> None:
        """Keep an outcome in place of an earlier one of the same drill."""
        self.drills[drill.name] = drill
        if save:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Whole or not at all: a run may be killed at any moment.
            scratch = self.path.with_suffix(".new")
            scratch.write_text(json.dumps([asdict(each) for each in self.drills.values()], indent=2) + "\n", "utf-8")
            scratch.replace(self.path)

    def passed(self) -> set[str]:
        """Name the drills that need not be repeated."""
        return {name for name, drill in self.drills.items() if drill.outcome == PASSED}

    def of(self, every: Iterable[str]) -> list[Drill]:
        """The outcomes of these drills in their order; one that nobody has begun has an outcome too."""
        return [self.drills.get(name, Drill(name, NOT_RUN, 0, "")) for name in every]

    def finished(self, every: Iterable[str]) -> bool:
        """Whether each of these drills has passed."""
        return set(every) <= self.passed()

    def forget(self) -> None:
        """Begin a new run."""
        self.drills.clear()
        self.path.unlink(missing_ok=True)


def commit() -> str:
    """Name the commit that is checked out, with a plus sign where files differ from it."""
    git = ["git", "-C", str(ROOT)]
    name = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", ".", ":!docs"], check=False).returncode
    return f"{name}{'+' if changed else ''}"


def table(drills: Iterable[Drill]) -> str:
    """The outcomes for a terminal, each drill with its measured figures."""
    lines = []
    for drill in drills:
        lines.append(f"{drill.outcome:7}  {drill.seconds:5.0f} s  {drill.title}")
        lines += [f"{'':18}{value:g} {unit}  {what}" for what, value, unit in drill.figures]
        lines += [f"{'':18}{drill.reason}"] if drill.reason else []
    return "\n".join(lines)


def results(drills: Iterable[Drill], about: Mapping[str, Any]) -> dict[str, Any]:
    """All that a page tells, as data."""
    return {**about, "drills": [asdict(drill) | {"title": drill.title} for drill in drills]}
