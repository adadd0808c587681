"""UUIDv7 against UUIDv4 as primary keys.

Three million rows (key, one more uuid, a moment) are added, 10,000 a transaction, three times. `empty`: to an empty
table, whose key index just fits into `shared_buffers`, with keys that are there already, sent by COPY. `given`: the
same to a table of six million rows, whose key index outgrows the buffers. `made`: there, too, with keys that the
database makes: `uuidv7()`, written in PL/pgSQL (PostgreSQL 18 has one in C), against `gen_random_uuid()`, which is C.
Checkpoints come as `max_wal_size` has them, and full page images follow each. What a generator takes is measured
apart, the ORM's too.

The goal stands for `given`, where the index alone decides: so are all keys of the ORM, whose generator costs the
application's processes and not the database. As long as the index fits there is little to gain, and of `made` the
generator eats a part.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from apps.common.keys import uuid7
from django.core.management import call_command
from django.db import connections

from tests.bench.application.host import Bench

TITLE = "UUIDv7 against UUIDv4 keys"
LIMITS: Mapping[str, tuple[str, float]] = {"v7_over_v4_empty": ("min", 2.0), "v7_over_v4_given": ("min", 2.0)}
OLD_ROWS, NEW_ROWS, BATCH_ROWS = 6_000_000, 3_000_000, 10_000
SMALL_DIVISOR = 20
MODEL_KEYS: Mapping[str, Callable[[], uuid.UUID]] = {"v4": uuid.uuid4, "v7": uuid7}
DATABASE_KEYS = {"v4": "gen_random_uuid()", "v7": "uuidv7()"}
# Of a year that is over; chance is the same as in a version 4.
OLD_KEYS = {
    "v4": "gen_random_uuid()",
    "v7": "(lpad(to_hex(1735689600000 + n * 5000::bigint), 12, '0') || '7'"
    " || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid",
}
TABLE = """
CREATE TABLE {name} (id uuid, owner_id uuid NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
INSERT INTO {name} (id, owner_id) SELECT {old_key}, '{owner}' FROM generate_series(1, {rows}) AS n;
ALTER TABLE {name} ADD PRIMARY KEY (id);
"""
OWNER = uuid.UUID(int=1)


def given(alias: str, kind: str, table: str, rows: int) -> float:
    """Send rows with the ORM's keys; seconds that the database took."""
    make, seconds = MODEL_KEYS[kind], 0.0
    with connections[alias].cursor() as cursor:
        for _ in range(rows // BATCH_ROWS):
            lines = "".join(f"{make()}\t{OWNER}\n" for _ in range(BATCH_ROWS))
            began = time.perf_counter()
            with cursor.copy(f"COPY {table} (id, owner_id) FROM STDIN") as copy:
                copy.write(lines)
            seconds += time.perf_counter() - began
    return seconds


def made(alias: str, kind: str, table: str, rows: int) -> float:
    """Insert rows whose keys the database makes; seconds."""
    insert = (
        f"INSERT INTO {table} (id, owner_id) SELECT {DATABASE_KEYS[kind]}, '{OWNER}'"  # noqa: S608 (named here)
        f" FROM generate_series(1, {BATCH_ROWS})"
    )
    began = time.perf_counter()
    with connections[alias].cursor() as cursor:
        for _ in range(rows // BATCH_ROWS):
            cursor.execute(insert)
    return time.perf_counter() - began


# How rows come, to which table, and how many it holds before the first ones.
WAYS: Mapping[str, tuple[Callable[[str, str, str, int], float], str, int]] = {
    "empty": (given, "small", 0), "given": (given, "big", OLD_ROWS), "made": (made, "big", OLD_ROWS),
}  # fmt: skip


def generators(bench: Bench, alias: str, count: int) -> Iterator[tuple[str, float]]:
    """Microseconds that a key takes each generator."""
    for kind, make in MODEL_KEYS.items():
        yield f"{kind}_orm_us", bench.median_ms(partial(_take, make, count), 3) * 1000 / count
    floor = _database_us(bench, alias, "1", count)
    for kind, expression in DATABASE_KEYS.items():
        yield f"{kind}_database_us", _database_us(bench, alias, expression, count) - floor


def _take(make: Callable[[], uuid.UUID], count: int) -> None:
    for _ in range(count):
        make()


def _database_us(bench: Bench, alias: str, expression: str, count: int) -> float:
    query = f"SELECT count({expression}) FROM generate_series(1, {count})"  # noqa: S608 (named here)
    return bench.median_ms(lambda: bench.rows(alias, query), 3) * 1000 / count


def measure(bench: Bench, small: bool) -> dict[str, float]:
    """Rates, WAL and index sizes of both kinds, their ratios, and what a key takes each generator."""
    divisor = SMALL_DIVISOR if small else 1
    rows = NEW_ROWS // divisor
    figures: dict[str, float] = {}
    with bench.database("keys") as alias:
        call_command("migrate", "common", "0001", database=alias, verbosity=0)
        figures |= dict(generators(bench, alias, 200_000 // divisor))
        for way, (fill, table, old_rows) in WAYS.items():
            for kind, old_key in OLD_KEYS.items():
                name = f"{table}_{kind}"
                if not bench.rows(alias, "SELECT to_regclass(%s)", name)[0][0]:
                    bench.say(f"{old_rows // divisor} rows with {kind} keys before")
                    there = TABLE.format(name=name, old_key=old_key, owner=OWNER, rows=old_rows // divisor)
                    bench.rows(alias, there)
                bench.say(f"{rows} rows with {kind} keys, {way}")
                bench.server.sql("postgres", "CHECKPOINT;")
                before = bench.wal_mib()
                figures[f"{kind}_{way}_rows_per_s"] = rows / fill(alias, kind, name, rows)
                figures[f"{kind}_{way}_wal_mib"] = bench.wal_mib() - before
            figures[f"v7_over_v4_{way}"] = figures[f"v7_{way}_rows_per_s"] / figures[f"v4_{way}_rows_per_s"]
            figures[f"v7_over_v4_{way}_wal"] = figures[f"v7_{way}_wal_mib"] / figures[f"v4_{way}_wal_mib"]
        for kind in OLD_KEYS:
            size = bench.rows(alias, f"SELECT pg_relation_size('small_{kind}_pkey')")[0][0]
            figures[f"{kind}_empty_index_mib"] = size / 2**20
        figures["v7_over_v4_empty_index"] = figures["v7_empty_index_mib"] / figures["v4_empty_index_mib"]
    return figures
