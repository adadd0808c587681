"""Drills on the running lab: things that must not happen are done to it, and what they cost is measured.

    python -m tests.drills GROUP [PYTEST ARGUMENT…]      groups: folders beside this file, such as backup

A run that was interrupted or had failures goes on where it was: drills that passed are not repeated. FRESH=1 begins
anew, and so does the run after one in which all passed. The results lie in docs/results/drills-GROUP.md.
"""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab import lock
from lab.errors import LabError
from lab.paths import ROOT, STATE
from tests.drills import page, record

MINUTES_MAX = 60


def machine() -> str:
    """What the figures depend on."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def names_of(group: str) -> list[str]:
    """Name the drills of a group."""
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", f"tests/drills/{group}"]
    environment = {**os.environ, "DRILLS_ALL": "1"}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return [line.partition("::")[2] for line in done.stdout.splitlines() if "::" in line]


def main(words: list[str]) -> int:
    """Run the drills of a group that are left, print what was measured, write the page."""
    groups = sorted(path.name for path in Path(__file__).parent.iterdir() if (path / "__init__.py").exists())
    if not words or words[0] not in groups:
        print(f"drills: GROUP is one of: {', '.join(groups)}", file=sys.stderr)
        return 2
    group, *rest = words
    every = names_of(group)
    kept = record.Record(STATE / f"drills-{group}.json")
    if os.environ.get("FRESH") == "1" or kept.finished(every):
        kept.forget()
    elif kept.drills:
        print(f"Going on: {len(kept.passed() & set(every))} of {len(every)} have passed before; FRESH=1 begins anew.")
    with lock.held():
        status = pytest.main(["-s", "-p", "no:cacheprovider", f"tests/drills/{group}", *rest])
    done = record.Record(kept.path)
    shown = done.of(every)
    about = {
        "command": f"make drills GROUP={group}",
        "machine": machine(),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
    }
    page.write(group, shown, about, ROOT / "docs/results")
    minutes = sum(drill.seconds for drill in shown) / 60
    passed = f"{len(done.passed() & set(every))} of {len(every)} drills passed"
    print(f"\n{record.table(shown)}\n\n{passed}, in {minutes:.0f} minutes (at most {MINUTES_MAX})")
    # A choice of drills by words for pytest has to have chosen some; what has passed already need not be repeated.
    good = status == pytest.ExitCode.OK or (status == pytest.ExitCode.NO_TESTS_COLLECTED and done.finished(every))
    return 0 if good and minutes <= MINUTES_MAX else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as error:
        sys.exit(f"drills: {error}")
