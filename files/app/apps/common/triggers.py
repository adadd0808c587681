"""Triggers that the owner turns off for work of its own, inside one transaction."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def triggers_off(cursor: Any, named: Iterable[tuple[str, str]]) -> Iterator[None]:
    """Keep triggers, given as table and name, from firing for this transaction, while nobody else writes the tables.

    After an error the transaction is gone, and they are on as before.
    """
    pairs = list(named)
    for table, trigger in pairs:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    yield
    for table, trigger in pairs:
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")
