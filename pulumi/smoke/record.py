"""The small stack's record: what Pulumi made, and by that what may be taken away."""

import json
from collections.abc import Mapping
from typing import Any

from smoke.commands import Run, StepError, answer, must
from smoke.settings import NAME

Resource = dict[str, Any]
INSTANCE = "aws:ec2/instance:Instance"


def read(run: Run) -> dict[str, Any]:
    """Return the record. Raises StepError for one of another shape."""
    state = dict(answer(run, ["pulumi", "stack", "export", "--stack", NAME]))
    if not isinstance(state.get("deployment"), Mapping):
        raise StepError("`pulumi stack export` printed no record of a stack")
    return state


def resources(state: Mapping[str, Any], kind: str = "") -> list[Resource]:
    """Return what is in the record, or those of one type in it; an empty stack's record has no list of them."""
    found: list[Resource] = state["deployment"].get("resources") or []
    return [resource for resource in found if kind in ("", resource["type"])]


def write(run: Run, state: Mapping[str, Any]) -> None:
    """Put a changed record into the place of the one that was read."""
    must(run, ["pulumi", "stack", "import", "--stack", NAME], given=json.dumps(state))
