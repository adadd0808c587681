"""Whole transactions once more, when the database chose them as the victim of a conflict."""

import random
import time
from collections.abc import Callable, Set
from typing import TypeVar

from django.db import OperationalError, transaction

Result = TypeVar("Result")

# SQLSTATE of "serialization failure" and "deadlock detected": nothing was done, and the same may succeed now.
CONFLICTS = frozenset({"40001", "40P01"})
# The same, and "lock not available": somebody else was slow, and those behind us need not wait for them, too.
CONFLICTS_AND_LOCKS = CONFLICTS | {"55P03"}


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of a database error, "" when it has none."""
    return str(getattr(error.__cause__, "sqlstate", None) or getattr(error, "sqlstate", None) or "")


def retried(
    action: Callable[[], Result],
    *,
    attempts: int = 5,
    pause_seconds: float = 0.02,
    using: str = "default",
    conflicts: Set[str] = CONFLICTS,
) -> Result:
    """Run `action` in a transaction of its own, at most `attempts` times, and return what it returns.

    The action must be safe to repeat: what it did outside the database stays done. The pause doubles with each
    attempt and is drawn at random, so that two victims do not meet again. Raises RuntimeError inside a transaction,
    which a conflict ends as a whole, and OperationalError when the last attempt failed too.
    """
    if transaction.get_connection(using).in_atomic_block:
        raise RuntimeError("A conflict ends the whole transaction: call retried() outside of atomic().")
    for attempt in range(1, attempts + 1):
        try:
            with transaction.atomic(using=using):
                return action()
        except OperationalError as error:
            if sqlstate(error) not in conflicts or attempt == attempts:
                raise
            time.sleep(pause_seconds * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311 (a pause, no secret)
    raise AssertionError("unreachable: the last attempt returns or raises")
