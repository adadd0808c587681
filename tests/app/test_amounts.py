"""'NaN' is a value of `numeric` that is greater than every number: no column lets it in, under whatever lower bound."""

from typing import Any

import factories as make
import pytest
from django.db import DataError, IntegrityError, connections, transaction
from test_constraints import refused

# Generated columns follow from others: these are looked at themselves.
NUMBERS = """
SELECT attrelid::regclass::text, attname::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    AND atttypid = 'numeric'::regtype AND attgenerated = '' ORDER BY 1, 2
"""
# All CHECKs of a table and nothing else, so that a row may be about one column.
BARE_COPY = """
CREATE TEMPORARY TABLE bare (LIKE {table} INCLUDING CONSTRAINTS) ON COMMIT DROP;
DO $bare$
DECLARE name text;
BEGIN
    FOR name IN SELECT attname FROM pg_attribute WHERE attrelid = 'pg_temp.bare'::regclass AND attnotnull AND attnum > 0
    LOOP
        EXECUTE format('ALTER TABLE pg_temp.bare ALTER COLUMN %I DROP NOT NULL', name);
    END LOOP;
END $bare$;
"""


def run(alias: str, statement: str) -> list[Any]:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def takes(column: str, value: str) -> bool:
    try:
        with transaction.atomic("direct"):
            run("direct", f"INSERT INTO pg_temp.bare ({column}) VALUES ('{value}')")  # noqa: S608 (below)
    except (IntegrityError, DataError):
        return False
    return True


@pytest.mark.usefixtures("owner")
def test_no_column_takes_what_is_not_a_number() -> None:
    columns = run("direct", NUMBERS)
    assert len(columns) > 30
    taken = []
    for table, column in columns:
        run("direct", BARE_COPY.format(table=table))
        # What is refused then is refused for its value.
        assert takes(column, "0") or takes(column, "1"), (table, column)
        taken += [f"{table}.{column} {value}" for value in ("NaN", "Infinity", "-Infinity") if takes(column, value)]
        run("direct", "DROP TABLE pg_temp.bare")
    assert taken == []


@pytest.mark.usefixtures("database")
def test_the_refusal_says_which_amount_it_is_about() -> None:
    order = make.order()
    for column in ("unit_price", "service_fee"):
        refused(
            "orders_order_amounts_are_numbers",
            lambda column=column: run("default", f"UPDATE orders_order SET {column} = 'NaN' WHERE id = '{order.pk}'"),  # type: ignore[misc]  # noqa: S608 (above)
        )


@pytest.mark.usefixtures("owner")
def test_every_rule_was_held_against_the_rows_that_were_there_before() -> None:
    waiting = "SELECT conname FROM pg_constraint WHERE NOT convalidated AND connamespace = 'public'::regnamespace"
    assert run("direct", waiting) == []
