"""UUIDv7 against UUIDv4 as primary keys.

Three million rows (key, one more uuid, a moment) are added, 10,000 a transaction, to a table that holds six million:
its key index outgrows `shared_buffers`, and checkpoints come as `max_wal_size` has them, each followed by full page
images of what is touched next. Once with keys that are there already, sent by COPY: the index alone decides. Once with
keys that the database makes: `uuidv7()`, which is written in PL/pgSQL (PostgreSQL 18 has one in C), against
`gen_random_uuid()`, which is C. What a generator takes is measured apart, that of the ORM too.

The goal stands for keys that are there already, as all of the ORM's are: its generator costs the application's
processes, of which there are more, not the database.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from apps.common.keys import uuid7
from django.core.management import call_command
from django.db import connections

from tests.bench.application.host import Bench

TITLE = "UUIDv7 against UUIDv4 keys"
LIMITS: Mapping[str, tuple[str, float]] = {"v7_over_v4_given": ("min", 2.0)}
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
CREATE TABLE keys_{kind} (id uuid, owner_id uuid NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
INSERT INTO keys_{kind} (id, owner_id) SELECT {old_key}, '{owner}' FROM generate_series(1, {rows}) AS n;
ALTER TABLE keys_{kind} ADD PRIMARY KEY (id);
"""
OWNER = uuid.UUID(int=1)


def given(alias: str, kind: str, rows: int) -> float:
    """Send rows with the ORM's keys; seconds that the database took."""
    make, seconds = MODEL_KEYS[kind], 0.0
    with connections[alias].cursor() as cursor:
        for _ in range(rows // BATCH_ROWS):
            lines = "".join(f"{make()}\t{OWNER}\n" for _ in range(BATCH_ROWS))
            began = time.perf_counter()
            with cursor.copy(f"COPY keys_{kind} (id, owner_id) FROM STDIN") as copy:
                copy.write(lines)
            seconds += time.perf_counter() - began
    return seconds


def made(alias: str, kind: str, rows: int) -> float:
    """Insert rows whose keys the database makes; seconds."""
    insert = (
        f"INSERT INTO keys_{kind} (id, owner_id) SELECT {DATABASE_KEYS[kind]}, '{OWNER}'"  # noqa: S608 (named here)
        f" FROM generate_series(1, {BATCH_ROWS})"
    )
    began = time.perf_counter()
    with connections[alias].cursor() as cursor:
        for _ in range(rows // BATCH_ROWS):
            cursor.execute(insert)
    return time.perf_counter() - began


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
        for kind, old_key in OLD_KEYS.items():
            bench.say(f"{OLD_ROWS // divisor} rows with {kind} keys that are there before")
            bench.rows(alias, TABLE.format(kind=kind, old_key=old_key, owner=OWNER, rows=OLD_ROWS // divisor))
        ways: dict[str, Any] = {"given": given, "made": made}
        for way, fill in ways.items():
            for kind in OLD_KEYS:
                bench.say(f"{rows} rows more, {kind} keys {way}")
                bench.server.sql("postgres", "CHECKPOINT;")
                before = bench.wal_mib()
                figures[f"{kind}_{way}_rows_per_s"] = rows / fill(alias, kind, rows)
                figures[f"{kind}_{way}_wal_mib"] = bench.wal_mib() - before
            figures[f"v7_over_v4_{way}"] = figures[f"v7_{way}_rows_per_s"] / figures[f"v4_{way}_rows_per_s"]
            figures[f"v7_over_v4_{way}_wal"] = figures[f"v7_{way}_wal_mib"] / figures[f"v4_{way}_wal_mib"]
        for kind in OLD_KEYS:
            size = bench.rows(alias, f"SELECT pg_relation_size('keys_{kind}_pkey')")[0][0]
            figures[f"{kind}_index_mib"] = size / 2**20
        figures["v7_over_v4_index"] = figures["v7_index_mib"] / figures["v4_index_mib"]
    return figures
