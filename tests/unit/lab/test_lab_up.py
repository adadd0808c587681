"""`make up` between its steps: what comes before what, and a run that is killed at any of them is gone on from."""

import fcntl
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.commands import up

ROOT = Path(__file__).resolve().parents[3]
STEPS = {step.name: step for step in up.steps()}
# The command of each step: its work is done once, and the run that it belongs to may be killed right after it.
WORK = """
if grep --line-regexp --quiet "$0" made 2>/dev/null; then echo "remark: all there"; exit; fi
echo "$0" >>made
[ "$0" != "$1" ] || kill -KILL $PPID
"""
PROGRAM = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from dataclasses import replace
from pathlib import Path
from lab import lock, preflight
from lab.commands import up
plan = [replace(one, argv=["sh", "-c", {WORK!r}, one.name, *sys.argv[1:]], activated=False) for one in up.steps()]
up.steps, preflight.refuse = lambda verify: plan, lambda: None
up.ROOT, up.LOGS, up.TIMES, lock.LOCK = Path(), Path("logs"), Path("times.json"), Path("lock")
sys.exit(up.main([]))
"""


def run(folder: Path, *killed_after: str) -> subprocess.CompletedProcess[str]:
    """One `make up` whose steps do nothing but remember in the file `made` that they were there."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *killed_after],
        cwd=folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def before(name: str) -> set[str]:
    """Everything that a step needs, and what that needs."""
    return set(STEPS[name].needs).union(*(before(need) for need in STEPS[name].needs))


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_is_killed_after_a_step_is_gone_on_from(tmp_path: Path, step: str) -> None:
    assert run(tmp_path, step).returncode == -signal.SIGKILL
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # steps beside it outlive the killed run
    there = (tmp_path / "made").read_text().splitlines()
    assert {step, *before(step)} <= set(there)

    again = run(tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    made = (tmp_path / "made").read_text().splitlines()
    assert sorted(made) == sorted(STEPS), "each is done once in both runs together"
    assert all(before(name) <= set(made[:at]) for at, name in enumerate(made))
    remarks = {one["name"]: one["remark"] for one in json.loads((tmp_path / "times.json").read_text())["steps"]}
    assert {name for name, remark in remarks.items() if remark == "all there"} == set(there)


def test_nothing_is_built_before_the_settings_are_read() -> None:
    first = {"system packages", "virtual environment", "settings"}
    assert {name for name in STEPS if "settings" not in before(name)} == first
