"""Marker rows, one every 100 ms: which of them a restore to a moment must have, and which it may not have."""

from collections.abc import Iterable
from dataclasses import dataclass

SCHEMA = "drill"
# Each row tells when its own transaction began, and when the commit of the one before it was acknowledged.
MAKE = f"create schema {SCHEMA}; create table {SCHEMA}.marker (id int primary key, began float, before_acked float)"
# One session writes on by itself for a number of seconds.
WRITE = """
do $$
declare acked float;
begin
  for number in 1..{rows} loop
    insert into drill.marker values (number, extract(epoch from clock_timestamp()), acked);
    commit;
    acked := extract(epoch from clock_timestamp());
    perform pg_sleep(0.1);
  end loop;
end $$
"""
ROWS_PER_SECOND = 10
READ = f"select id, began, coalesce(before_acked, 0) from {SCHEMA}.marker order by id"  # noqa: S608 — no value in it
REMOVE = f"drop schema if exists {SCHEMA} cascade"


@dataclass(frozen=True)
class Marker:
    """A row with its seconds since the epoch; `acked` is None for the last one, of which nobody has told."""

    id: int
    began: float
    acked: float | None


def read(text: str) -> list[Marker]:
    """The rows that READ prints."""
    rows = [line.split("|") for line in text.splitlines()]
    acked = [float(row[2]) for row in rows[1:]]
    return [
        Marker(int(row[0]), float(row[1]), end) for row, end in zip(rows, [*acked, *[None] * bool(rows)], strict=True)
    ]


def judge(written: Iterable[Marker], kept: set[int], earliest: float, latest: float) -> tuple[list[int], list[int]]:
    """Rows that are missing, and rows that are too much, after a restore to a moment between two times.

    A row under way at that moment may be on either side.
    """
    rows = list(written)
    missing = [row.id for row in rows if row.acked is not None and row.acked < earliest and row.id not in kept]
    return missing, [row.id for row in rows if row.began > latest and row.id in kept]


def lost_seconds(text: str, lost_at: float) -> float:
    """Seconds from the last of the rows that READ prints to the loss of what wrote them. ValueError where one lacks."""
    kept = read(text)
    if [row.id for row in kept] != list(range(1, len(kept) + 1)) or not kept:
        raise ValueError(f"rows are missing in between: {text}")
    return lost_at - kept[-1].began
