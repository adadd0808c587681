"""What migrations declare about whose columns and steps a row has, for the tests that are made from it."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any
from uuid import UUID

import psycopg
from apps.common.parties import Parties, Side
from django.db.migrations.loader import MigrationLoader
from factories_world import key_of


def declared() -> Iterator[Parties]:
    """Yield what the migrations declare, all of them, those of an app in the order in which they are applied."""
    for _, migration in sorted(MigrationLoader(None).disk_migrations.items()):
        yield from getattr(import_module(migration.__module__), "PARTIES", ())


# By table, as it was declared last.
DECLARED: dict[str, Parties] = {parties.table: parties for parties in declared()}
# A value of the type that is not the one in the row. Whether the column may hold it is asked after whose it is.
OTHER = {
    # The other order of the two, or the other one of them.
    "order_id": "CASE {0} WHEN %(order)s THEN %(other_order)s ELSE %(order)s END",
    "sender_id": "%(freelancer)s",
    "raised_by_id": "%(freelancer)s",
    "uuid": "uuidv7()",
    "timestamp with time zone": "now() - interval '1 minute'",
    "boolean": "NOT {0}",
    "jsonb": "{0} || '[1]'",
    "bytea": "'\\x00'",
    "text": "{0} || 'x'",
    "character varying": "left({0}, 2) || 'x'",
}


def columns_of(of: psycopg.Connection[Any], table: str) -> dict[str, str]:
    """Return the columns of a table that are not computed, with their types."""
    rows = of.execute(
        "SELECT column_name::text, data_type::text FROM information_schema.columns"
        " WHERE table_name = %s AND is_generated = 'NEVER'",
        [table],
    )
    return dict(rows.fetchall())


def other_value(column: str, kind: str) -> str:
    return OTHER.get(column, OTHER.get(kind, "{0} + 1")).format(column)


def acts_as(of: Any, side: Side, table: str, key: UUID, person: UUID) -> bool:
    """Tell whether a person is this side of a row. The connection, Django's or psycopg's, sees the row."""
    condition = side.acts.replace("actor", "who.actor").format(row="it")
    with of.cursor() as cursor:
        cursor.execute(
            f"SELECT coalesce({condition}, false) FROM {table} AS it, (SELECT %s::uuid AS actor) AS who"  # noqa: S608 (declared)
            f" WHERE it.{key_of(table)} = %s",
            [person, key],
        )
        return bool(cursor.fetchone()[0])


def acts_in(of: Any, side: Side, table: str, row: Any, person: UUID) -> bool:
    """Tell whether a person would be this side of a row that is not there, as jsonb."""
    condition = side.acts.replace("actor", "who.actor").format(row="it")
    with of.cursor() as cursor:
        cursor.execute(
            f"SELECT coalesce({condition}, false)"  # noqa: S608 (declared)
            f" FROM jsonb_populate_record(NULL::{table}, %s) AS it, (SELECT %s::uuid AS actor) AS who",
            [row, person],
        )
        return bool(cursor.fetchone()[0])


def whose_column(parties: Parties) -> dict[str, Side]:
    return {column: side for side, columns in parties.by.items() for column in columns.split()}


def whose_step(parties: Parties) -> dict[str, Side]:
    return {step: side for side, steps in parties.steps.items() for step in steps.split()}
