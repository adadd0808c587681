"""Daily figures made of facts: what a roll-up is, which ones there are, and how one is filled.

Each is one SQL statement: an interrupted run leaves whole tables and days behind, and the next run does the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib import import_module
from zoneinfo import ZoneInfo

from django.apps import apps
from django.contrib.postgres.indexes import BrinIndex
from django.db import connections
from django.utils.module_loading import module_has_submodule

CHINA = ZoneInfo("Asia/Shanghai")
# Chosen once: every roll-up of this application in one database asks for the same lock.
ADVISORY_LOCK = 7_301_960_242


@dataclass(frozen=True, kw_only=True)
class RollUp:
    """One table and the statement that fills it.

    A daily statement has the parameters `day`, and `start` and `until` of that day in China, `until` not included.
    Another one says what is so now, whatever the day.
    """

    table: str
    statement: str
    daily: bool = True

    @classmethod
    def upsert(
        cls, *, table: str, keys: Sequence[str], figures: Sequence[str], select: str, daily: bool = True
    ) -> "RollUp":
        """Fill a TimestampedModel's rows with what `select` returns: `keys`, then `figures`.

        A row that says the same already is not written, so that its updated_at stays. A select therefore also
        returns the keys of rows whose facts are gone, with figures of zero.
        """
        old, new = (", ".join(f"{row}.{name}" for name in figures) for row in ("stored", "EXCLUDED"))
        statement = f"""
            INSERT INTO {table} AS stored ({", ".join((*keys, *figures))})
            {select}
            ON CONFLICT ({", ".join(keys)}) DO UPDATE
            SET {", ".join(f"{name} = EXCLUDED.{name}" for name in figures)}, updated_at = statement_timestamp()
            WHERE ({old}) IS DISTINCT FROM ({new})"""  # noqa: S608 (names of this application's modules)
        return cls(table=table, statement=statement, daily=daily)


def on_the_day(column: str) -> str:
    """Return the SQL condition that a moment lies in the day of a daily statement."""
    return f"{column} >= %(start)s AND {column} < %(until)s"


def by_day(name: str, *columns: str) -> BrinIndex:
    """Return the index that finds the rows of a day where rows are kept in the order in which they came.

    It is a thousandth of a B-tree's size and costs a write next to nothing.
    """
    return BrinIndex(fields=columns, name=name, pages_per_range=32, autosummarize=True)


def midnight(day: date) -> datetime:
    """Return the moment at which a day begins in China."""
    return datetime(day.year, day.month, day.day, tzinfo=CHINA)


def roll_ups() -> list[RollUp]:
    """Return what the module `statistics` of each app lists as ROLL_UPS, earlier apps first."""
    return [
        roll_up
        for app in apps.get_app_configs()
        if app.module is not None and module_has_submodule(app.module, "statistics")
        for roll_up in import_module(f"{app.name}.statistics").ROLL_UPS
    ]


def plan(first: date, last: date) -> list[tuple[RollUp, date | None]]:
    """Return each table with each day from `first` to `last`, both included, and then those that know no day."""
    found = roll_ups()
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    daily: list[tuple[RollUp, date | None]] = [(roll_up, day) for day in days for roll_up in found if roll_up.daily]
    return daily + [(roll_up, None) for roll_up in found if not roll_up.daily]


def fill(roll_up: RollUp, alias: str, day: date | None = None) -> int:
    """Bring one table to what the facts say, a daily one for this day; return how many rows were written."""
    moments = {"day": day, "start": midnight(day), "until": midnight(day + timedelta(days=1))} if day else None
    with connections[alias].cursor() as cursor:
        cursor.execute(roll_up.statement, moments)
        return int(cursor.rowcount)
