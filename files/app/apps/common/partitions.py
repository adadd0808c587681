"""Upkeep of the logs' months: the default partition is emptied, months ahead are made, old ones archived and dropped.

Every step is a transaction of its own and leaves a state from which the next run goes on. A lock that is not free in
time is given up, so that the queue behind it can go on, and asked for again.
"""

import gzip
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from django.apps import apps
from django.db import connections
from django.utils import timezone

from apps.common.models import EventModel
from apps.common.partman import CLOSE_PARTITIONS
from apps.common.retry import CONFLICTS_AND_LOCKS, retried

Result = TypeVar("Result")

SECONDS_OF_A_DAY = 86_400

_MONTHS = r"""
SELECT c.relname::text, bound[1]::timestamptz, bound[2]::timestamptz
FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid,
    regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''(.*)''\) TO \(''(.*)''\)') AS bound
WHERE inhparent = %s::regclass AND bound IS NOT NULL ORDER BY 2
"""
# Detached by a run that did not come to the end.
_DETACHED = r"""
SELECT relname::text FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT relispartition
    AND relname ~ ('^' || %s || '_p\d{8}$') ORDER BY 1
"""
_OPEN = """
SELECT DISTINCT c.relname::text FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid, aclexplode(c.relacl) AS held
WHERE inhparent = %s::regclass AND held.grantee <> c.relowner ORDER BY 1
"""


@dataclass(frozen=True, kw_only=True)
class Month:
    """A partition with the moments from `begins` on, up to `ends`."""

    name: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """What one log waits for; nothing of it where every list is empty and `months_ahead` is enough."""

    # Rows in the default partition by the month in UTC that they belong to, as in "2026-07".
    in_default: dict[str, int]
    months_ahead: int
    # Partitions that somebody reaches without their parent.
    open: list[str]
    # Older than is kept, or detached already.
    to_retire: list[str]


def logs() -> list[type[EventModel]]:
    """Return the models that are partitioned by month."""
    return [model for model in apps.get_models() if issubclass(model, EventModel)]


def kept_tables(alias: str) -> set[str]:
    """Return the tables that pg_partman knows."""
    return {table.removeprefix("public.") for (table,) in _rows(alias, "SELECT parent_table FROM partman.part_config")}


def months(alias: str, log: type[EventModel]) -> list[Month]:
    """Return the partitions of a log but the default one, the oldest first."""
    found = _rows(alias, _MONTHS, log._meta.db_table)
    return [Month(name=name, begins=begins, ends=ends) for name, begins, ends in found]


def upkeep(alias: str, log: type[EventModel]) -> Upkeep:
    """Return what a log waits for."""
    table = log._meta.db_table
    month = "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM')"
    in_default = _rows(alias, f"SELECT {month}, count(*) FROM {table}_default GROUP BY 1 ORDER BY 1")  # noqa: S608 (a model's table)
    return Upkeep(
        in_default=dict(in_default),
        months_ahead=sum(month.begins > timezone.now() for month in months(alias, log)),
        open=[name for (name,) in _rows(alias, _OPEN, table)],
        to_retire=[name for name, _ in _to_retire(alias, log)],
    )


@dataclass(frozen=True, kw_only=True)
class Keeper:
    """Does the upkeep as the owner of the tables, by the connection `alias`."""

    alias: str
    lock_timeout_ms: int = 5000
    attempts: int = 5
    pause_seconds: float = 2.0

    def empty_default(self, log: type[EventModel]) -> Iterator[tuple[str, int]]:
        """Move each month of the default partition to a partition of its own; yield its first moment and the rows.

        A month goes as a whole, since its partition cannot be made while a row of it lies in the default one. Who
        writes to the log waits for it, and who would read these rows.
        """
        table = log._meta.db_table
        oldest = f"SELECT min(created_at) FROM {table}_default"  # noqa: S608 (a model's table)

        def move(cursor: Any) -> tuple[datetime | None, int]:
            # A writer who waited at the default partition would be refused: its row has a partition now.
            cursor.execute(f"LOCK TABLE ONLY {table} IN SHARE ROW EXCLUSIVE MODE")
            # At once what attaching needs later: who reads now and writes then would wait for us, and we for them.
            cursor.execute(f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE")
            cursor.execute(oldest)
            (first,) = cursor.fetchone()
            cursor.execute("SELECT partman.partition_data_time(%s, p_analyze := false)", [f"public.{table}"])
            return first, cursor.fetchone()[0]

        while _rows(self.alias, oldest) != [(None,)]:
            first, rows = self._step(table, move)
            if first:
                yield f"{first:%Y-%m}", rows

    def make_months(self, log: type[EventModel]) -> list[str]:
        """Have pg_partman make the months ahead, close all partitions to everybody; return the names of new ones."""
        table = log._meta.db_table
        before = {month.name for month in months(self.alias, log)}

        def make(cursor: Any) -> None:
            cursor.execute("SELECT partman.run_maintenance(%s, p_jobmon := false)", [f"public.{table}"])

        self._step(table, make)
        return [month.name for month in months(self.alias, log) if month.name not in before]

    def retire(self, log: type[EventModel], folder: Path) -> Iterator[tuple[str, int]]:
        """Archive, detach and drop each month that is older than the log keeps; yield its name and rows.

        folder: where `<partition>.copy.gz` are written, for COPY … FROM … (HEADER MATCH). They hold personal data.
        """
        table = log._meta.db_table
        for name, is_attached in _to_retire(self.alias, log):
            count = f"SELECT count(*) FROM public.{name}"  # noqa: S608 (a partition's name)
            rows = archive(self.alias, name, folder)
            if is_attached:
                # Not CONCURRENTLY, which a default partition forbids.
                self._step(table, _executing(f"ALTER TABLE {table} DETACH PARTITION public.{name}"))
            # From here on nobody reaches it: what came or went since it was read is seen now.
            if _rows(self.alias, count) != [(rows,)]:
                rows = archive(self.alias, name, folder)
            # Its foreign keys go with it: a moment's lock on the tables that they point at.
            self._step(table, _executing(f"DROP TABLE public.{name}"))
            yield name, rows

    def _step(self, table: str, action: Callable[[Any], Result]) -> Result:
        """Run a step in a transaction; when it ends, no partition of the table is open."""

        def step() -> Result:
            with connections[self.alias].cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = {self.lock_timeout_ms}")
                # Where a month begins must not depend on who asks.
                cursor.execute("SET LOCAL TIME ZONE 'UTC'")
                result = action(cursor)
                cursor.execute(CLOSE_PARTITIONS.format(table=table))
            return result

        return retried(
            step, attempts=self.attempts, pause_seconds=self.pause_seconds, using=self.alias,
            conflicts=CONFLICTS_AND_LOCKS,
        )  # fmt: skip


def archive(alias: str, name: str, folder: Path) -> int:
    """Write a table into `folder`, read the file back and return how many rows are in it.

    The file has its name when it is whole; readable for its owner alone. One that is there is replaced.
    """
    whole, part = folder / f"{name}.copy.gz", folder / f"{name}.copy.gz.part"
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file, connections[alias].cursor() as cursor:
        with (
            gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed,
            cursor.copy(f"COPY public.{name} TO STDOUT (HEADER)") as copy,
        ):
            for block in copy:
                packed.write(block)
        file.flush()
        os.fsync(file.fileno())
    # One line a row, line ends in values are escaped; the last bytes are gzip's own checksum.
    with gzip.open(part, "rb") as packed_again:
        rows = sum(1 for _ in packed_again) - 1
    part.replace(whole)
    directory = os.open(folder, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)
    return rows


def expire_archives(log: type[EventModel], folder: Path, days: int) -> Iterator[str]:
    """Delete the files of a log that were written more than `days` ago, and yield their names."""
    named = re.compile(rf"{log._meta.db_table}_p\d{{8}}\.copy\.gz(\.part)?")
    oldest = timezone.now().timestamp() - days * SECONDS_OF_A_DAY
    for file in sorted(folder.iterdir()):
        if named.fullmatch(file.name) and file.stat().st_mtime < oldest:
            file.unlink()
            yield file.name


def _executing(statement: str) -> Callable[[Any], None]:
    return lambda cursor: cursor.execute(statement)


def _to_retire(alias: str, log: type[EventModel]) -> Sequence[tuple[str, bool]]:
    """Return partitions whose time is over, the oldest first, and whether they are still attached."""
    detached = [(name, False) for (name,) in _rows(alias, _DETACHED, log._meta.db_table)]
    if log.KEPT_MONTHS is None:
        return detached
    kept = "SELECT date_trunc('month', now(), 'UTC') - make_interval(months => %s)"
    ((kept_from,),) = _rows(alias, kept, log.KEPT_MONTHS)
    return detached + [(month.name, True) for month in months(alias, log) if month.ends <= kept_from]


def _rows(alias: str, query: str, *parameters: Any) -> list[Any]:
    with connections[alias].cursor() as cursor:
        cursor.execute(query, parameters or None)
        return list(cursor.fetchall())
