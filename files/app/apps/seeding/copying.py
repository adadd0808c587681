"""Writes a seed by COPY as the owner of the tables: all of it or nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from django.db import connections, transaction

from apps.accounts.models import Skill
from apps.common.triggers import triggers_off
from apps.gigs.models import Category
from apps.seeding import texts
from apps.seeding.market import Catalogue, Leaf, Market
from apps.seeding.rules import rules
from apps.seeding.table import Table
from apps.seeding.tables import TABLES

ROWS_PER_PROGRESS = 1000


class SeedRefusedError(Exception):
    """The database is not one to be seeded, or the rows break a rule; the text says which."""


def seed_marketplace(alias: str, users: int, seed: int, advance: Callable[[int], object]) -> dict[str, int]:
    """Fill the database with so many people and all they did; return the rows of each table.

    The same number of users, seed and catalogue give the same rows, keys included. `advance` is told how many rows
    were written since it was told last. Raises SeedRefusedError, and nothing is written.
    """
    connection = connections[alias]
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        _refuse_all_but_an_empty_database(cursor)
        market = Market.made(seed, users, _catalogue(alias))
        # Foreign keys are checked table by table: an ALTER TABLE finds no check that still waits.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        # COPY is psycopg's own: what it refuses becomes Django's error here.
        # The work of these triggers is the seed's own.
        off = [(rule.table, trigger) for rule in rules() for trigger in rule.triggers]
        with row_security_not_forced(cursor), triggers_off(cursor, off), connection.wrap_database_errors:
            written = {table.name: _copy(cursor, table, market, advance) for table in TABLES}
        # The rules join tables of which the planner knows nothing yet.
        cursor.execute(f"ANALYZE {', '.join(written)}")
        for rule in rules():
            broken = _number(cursor, rule.broken, rule.parameters)
            if broken:
                names = ", ".join(rule.triggers) or rule.table
                raise SeedRefusedError(f"{broken} rows of {rule.table} break the rule of {names}.")
    return written


def _refuse_all_but_an_empty_database(cursor: Any) -> None:
    """Raise SeedRefusedError unless this is the owner of the tables and only superusers are there. Others wait."""
    cursor.execute("SELECT current_user, tableowner FROM pg_tables WHERE tablename = 'accounts_user'")
    role, owner = cursor.fetchone()
    if role != owner:
        raise SeedRefusedError(f"A seed is written by the owner of the tables, {owner}, not by {role}.")
    cursor.execute("LOCK TABLE accounts_user IN SHARE ROW EXCLUSIVE MODE")
    # Who runs the platform is there from its deployment on, and takes no part.
    people = _number(cursor, "SELECT count(*) FROM accounts_user WHERE NOT is_superuser")
    if people:
        raise SeedRefusedError(f"accounts_user holds {people} people already: seed a database without people.")


def _catalogue(alias: str) -> Catalogue:
    """Return categories and skills in an order that does not change."""
    categories = {category.pk: category for category in Category.objects.using(alias).order_by("slug")}
    parents = {category.parent_id for category in categories.values()}
    leaves = []
    for category in categories.values():
        top = category
        while top.parent_id:
            top = categories[top.parent_id]
        if category.pk not in parents and top.slug in texts.AREA_OF_CATEGORY:
            leaves.append(Leaf(category.pk.hex, category.name, texts.AREA_OF_CATEGORY[top.slug]))
    skills: dict[str, list[str]] = {}
    for skill in Skill.objects.using(alias).order_by("slug"):
        skills.setdefault(skill.area, []).append(skill.pk.hex)
    if not leaves or not skills:
        raise SeedRefusedError("gigs_category or accounts_skill is empty: run `manage.py loaddata initial_data` first.")
    return Catalogue(leaves=leaves, skills=skills)


@contextmanager
def row_security_not_forced(cursor: Any) -> Iterator[None]:
    """Let the owner COPY: into a table with row security that binds who copies, PostgreSQL refuses it altogether."""
    cursor.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relforcerowsecurity ORDER BY 1"
    )
    forced = [table for (table,) in cursor.fetchall()]
    for table in forced:
        cursor.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    yield
    for table in forced:
        cursor.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _copy(cursor: Any, table: Table, market: Market, advance: Callable[[int], object]) -> int:
    rows = table.rows(market, market.keys.chance(table.name))
    written = 0
    with cursor.copy(f"COPY {table.name} ({', '.join(table.columns)}) FROM STDIN") as copy:
        while part := list(islice(rows, ROWS_PER_PROGRESS)):
            for row in part:
                copy.write_row(row)
            written += len(part)
            advance(len(part))
    return written


def _number(cursor: Any, query: str, parameters: tuple[object, ...] = ()) -> int:
    cursor.execute(query, parameters or None)
    (number,) = cursor.fetchone()
    return int(number)
