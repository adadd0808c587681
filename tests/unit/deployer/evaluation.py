"""Whether policies allow a request, as IAM judges it. None of them denies anything, so one statement is enough."""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

# Source: IAM user guide, "IAM JSON policy elements: Condition operators" and "Set operators for multivalued keys".
MATCHES: Mapping[str, Callable[[str, str], bool]] = {
    "NumericEquals": lambda value, wanted: float(value) == float(wanted),
    "StringEquals": lambda value, wanted: value == wanted,
    "StringLike": fnmatchcase,
}


def allows(
    statements: Iterable[Mapping[str, Any]], action: str, arn: str = "*", context: Mapping[str, Any] | None = None
) -> bool:
    """Whether a request is allowed; `context` holds its condition keys, those of several values as tuples."""
    return any(
        action in statement["Action"]
        and any(fnmatchcase(arn, pattern) for pattern in statement["Resource"])
        and holds(statement.get("Condition", {}), context or {})
        for statement in statements
    )


def holds(condition: Mapping[str, Mapping[str, Any]], context: Mapping[str, Any]) -> bool:
    """Whether each operator holds for each of its keys."""
    asked = [(operator, key, wanted) for operator, keys in condition.items() for key, wanted in keys.items()]
    return all(_holds(operator, context.get(key), wanted) for operator, key, wanted in asked)


def _holds(operator: str, found: Any, wanted: Any) -> bool:
    if operator == "Null":
        return (found is None) is (wanted == "true")
    each, _, name = operator.rpartition(":")
    values = found if isinstance(found, tuple) else () if found is None else (found,)
    matched = [any(MATCHES[name](value, one) for one in _listed(wanted)) for value in values]
    if each == "ForAllValues":
        return all(matched)  # of no values all match: only Null asks for one
    return any(matched)


def _listed(wanted: Any) -> list[str]:
    return wanted if isinstance(wanted, list) else [wanted]
