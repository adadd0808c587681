"""A migration that was deployed says for ever what it said then, though the helpers that write its SQL go on."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunSQL, SeparateDatabaseAndState

# A line for each migration with SQL: its name and the digest of that SQL.
LIST = Path(__file__).parent / "data/sql_of_migrations.txt"


def statements(operations: Iterable[Any]) -> Iterator[str]:
    """Yield the SQL of operations, forward and back."""
    for operation in operations:
        if isinstance(operation, SeparateDatabaseAndState):
            yield from statements(operation.database_operations)
        elif isinstance(operation, RunSQL):
            yield from (str(operation.sql), str(operation.reverse_sql))


def digests() -> Iterator[str]:
    """Yield the lines of the list."""
    for (app, name), migration in sorted(MigrationLoader(None).disk_migrations.items()):
        text = "\0".join(statements(migration.operations))
        if migration.__module__.startswith("apps.") and text:
            yield f"{app}.{name} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def test_the_sql_of_each_migration_is_what_was_deployed() -> None:
    """Another digest: a helper writes another text. Give it another name, or a parameter that older ones leave out."""
    listed, found = LIST.read_text().splitlines(), list(digests())
    assert [line for line in listed if line not in found] == []
    # A new migration adds its line.
    assert found == listed
