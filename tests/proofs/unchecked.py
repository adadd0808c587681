"""Tasks that `--check` leaves out: which, and why each of them can't be checked."""

import re
from collections import Counter

from tests.proofs.tools import Run

# What the condition that kept a task from a check says, and what that means. The first that fits counts.
REASONS = {
    r"needs_archive": "a check builds no release, so there is none to look into",
    r"_(package|packages|package_result|installed)\b.*\bis changed": (
        "the package would be installed first: without it there is no such folder, program or unit"
    ),
    r"_(unit|service)\b.*\bis changed": "the unit would be put in order first",
    r"_patch\b|_outdated|_missing|requests|_by_hand": "the task before it reports the change in its place",
    r"_data\b|_without_data": "a member has no data before a run has started it",
    r"_copying|_live|_rc\b|\.rc\b": "there is nothing to wait for where nothing was changed",
    r"^\(?not ansible_check_mode\)?$": "it acts on, or judges, what only a run makes, and that is reported itself",
}
COMMAND = "a command's effect can't be foretold; the task before it tells whether it would run"
MODULE = "its module can't foretell what it would do"


def reason(result: dict[str, object]) -> str | None:
    """Why a check left a task out; None when it did for another reason, empty when nobody knows."""
    said, condition = str(result.get("msg", "")), str(result.get("false_condition", ""))
    if "would have run if not in check mode" in said or "skipped, running in check mode" in said:
        return COMMAND
    if "does not support check mode" in said:
        return MODULE
    if "ansible_check_mode" not in condition:
        return None
    condition = " ".join(condition.split())
    return next((text for pattern, text in REASONS.items() if re.search(pattern, condition)), "")


def left_out(run: Run) -> Counter[tuple[str, str]]:
    """(task, reason) of the tasks that a check left out, with the number of hosts."""
    found: Counter[tuple[str, str]] = Counter()
    for event, _, task, result in run.results:
        if event == "skipped" and (why := reason(result)) is not None:
            found[task, why] += 1
    return found


def tell(run: Run) -> None:
    """Print how many tasks a check left out, each with its reason; fail for one without."""
    found = left_out(run)
    print(f"\n{len(found)} tasks can't be checked ({sum(found.values())} times on all hosts):")
    for (task, why), hosts in sorted(found.items()):
        print(f"  {task} ({hosts}): {why}")
    assert [task for task, why in found if not why] == [], "left out by the check for no known reason"
