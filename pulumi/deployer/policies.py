"""IAM policies as such: statements, and how many of them fit into a policy."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from infra.aws.iam_policies import policy

# Source: IAM user guide, "IAM and AWS STS quotas": characters of a managed policy, white space not counted.
CHARACTERS_MAX = 6144
Statement = dict[str, Any]


def service(action: str) -> str:
    """Return the service of an action."""
    return action.split(":", maxsplit=1)[0]


def allow(
    sid: str, actions: Iterable[str], resources: Sequence[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    """Return one statement in the order in which AWS's own examples are written."""
    statement: Statement = {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": list(resources)}
    return {**statement, "Condition": condition} if condition else statement


def policies(wanted: Iterable[Statement]) -> list[dict[str, Any]]:
    """Put the statements into as few policies as their size allows, in their order."""
    packed: list[list[Statement]] = [[]]
    for statement in (each for each in wanted if each["Action"]):
        if size([*packed[-1], statement]) > CHARACTERS_MAX:
            packed.append([])
        packed[-1].append(statement)
    return [policy(each) for each in packed]


def size(statements: Sequence[Statement]) -> int:
    """Return its characters as IAM counts them."""
    return len("".join(json.dumps(policy(statements)).split()))
