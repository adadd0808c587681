"""INSERT … ON CONFLICT reaches no row that its sender may not change: in every table that takes a new row at all."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import factories as make
import pytest
from apps.common.identity import acting_as
from apps.messaging.models import MessagingStat
from apps.orders.models import OrderStat
from apps.payments.models import PaymentStat
from django.db import DatabaseError, connections, transaction
from django.db.models import Model
from factories_people import MOMENT
from factories_world import World, key_of
from test_rights import ROWS
from test_table_rights import LIST

DAY = MOMENT.date()
# Of tables of which the world has no row.
MADE: Mapping[str, Callable[[], Model]] = {
    "accounts_education": ROWS["education"],
    "accounts_portfolio": ROWS["portfolio"],
    "accounts_skill": ROWS["skill"],
    "accounts_user_groups": ROWS["member"],
    "accounts_user_user_permissions": ROWS["permission"],
    "accounts_userprofile": ROWS["profile"],
    "accounts_userskill": ROWS["skill of a person"],
    "accounts_workexperience": ROWS["work experience"],
    "auth_group": ROWS["group"],
    "auth_group_permissions": ROWS["permission of a group"],
    "gigs_gigfaq": ROWS["faq"],
    "gigs_gigrequirement": ROWS["requirement"],
    "messaging_messagingstat": lambda: MessagingStat.objects.create(day=DAY),
    "orders_orderstat": lambda: OrderStat.objects.create(day=DAY, category=make.category()),
    "payments_paymentstat": lambda: PaymentStat.objects.create(day=DAY),
    "reviews_reviewhelpful": ROWS["vote"],
    "reviews_reviewstat": ROWS["figures of reviews"],
    "reviews_reviewtemplate": ROWS["text for a review"],
    "reviews_userrating": ROWS["rating"],
}
LINES = [line.split() for line in LIST.read_text().splitlines() if line and not line.startswith(("#", "table "))]
# "all": no policy stands on the table, and it is nobody's.
TABLES = [line[0] for line in LINES if line[2] not in {"-", "all"}]


def rows(statement: str, *values: Any) -> list[Any]:
    with connections["default"].cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall()) if cursor.description else []


def row_of(table: str, world: World) -> dict[str, Any]:
    """Return somebody's row of the table: of the world, or one that is made here."""
    look = f"SELECT row_to_json(t)::text FROM {table} AS t"  # noqa: S608 (a table's name)
    if table in world.keys:
        with acting_as(world.client.pk):
            found = rows(f"{look} WHERE {key_of(table)} = %s", world.keys[table])
        found = found or rows(f"{look} WHERE {key_of(table)} = %s", world.keys[table])
    else:
        if table in MADE:
            MADE[table]()
        found = rows(f"{look} LIMIT 1")
    return dict(json.loads(found[0][0]))


def columns_of(table: str) -> tuple[list[str], list[str], list[str]]:
    """Return the columns that can be written, those of the key, and those that name a person."""
    written = rows(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attgenerated = '' AND attidentity = ''",
        table,
    )
    keyed = "SELECT attname::text FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)"
    key = rows(f"{keyed} WHERE conrelid = %s::regclass AND contype = 'p'", table)
    person = rows(
        f"{keyed} WHERE conrelid = %s::regclass AND contype = 'f' AND confrelid = 'accounts_user'::regclass"
        " AND cardinality(conkey) = 1",
        table,
    )
    return [name for (name,) in written], [name for (name,) in key], [name for (name,) in person]


def attempt(statement: str, row: dict[str, Any]) -> list[Any] | None:
    """Return the rows that a statement gives back; None where it is refused by a policy, a privilege or a trigger."""
    try:
        with transaction.atomic(using="default"):
            return rows(statement, json.dumps(row))
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", "") in {"42501", "23514", "23505"}:
            return None
        raise


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("table", TABLES)
def test_a_conflict_with_anothers_row_changes_nothing_and_returns_nothing(world: World, table: str) -> None:
    theirs = row_of(table, world)
    written, key, people = columns_of(table)
    # As it is, and in the sender's own name.
    in_my_name = theirs | {column: str(world.stranger.pk) for column in people if column not in key}
    names, sets = ", ".join(written), ", ".join(f"{column} = EXCLUDED.{column}" for column in written)
    sent_row = f"SELECT {names} FROM json_populate_record(NULL::{table}, %s)"  # noqa: S608 (names)
    insert = f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE {sent_row} ON CONFLICT ({', '.join(key)})"
    for sent in (theirs, in_my_name):
        with acting_as(world.stranger.pk):
            assert attempt(f"{insert} DO NOTHING RETURNING *", sent) in ([], None)
            # None: refused. Whoever may not change the row gets neither it nor a silent nothing.
            assert attempt(f"{insert} DO UPDATE SET {sets} RETURNING *", sent) is None
