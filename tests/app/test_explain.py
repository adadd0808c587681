"""On a million rows every index serves the query that it is named after, and no query reads a big table as a whole.

Each is asked by the role and as the person that asks it: policies stand in its plan.
"""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from apps.common.identity import acting_as, acting_as_platform
from apps.common.partitions import kept_tables
from django.conf import settings
from django.db import connections
from django.db.models import QuerySet
from large_tables import COPIED
from named_queries import ASKED_BY_STAFF, ASKED_BY_THE_OWNER, BESIDES, QUERIES, Asked, Query, who_asks

SEQUENTIAL_BYTES_MAX = 100_000_000
READS_ALL_BELOW = {"Sort", "Aggregate", "Hash", "Materialize", "Bitmap Heap Scan"}
# Fewer pages than these are read from end to end whatever indexes there are, and it is right so: on such tables the
# planner is asked to prefer an index, and must then find the named one the cheapest.
SMALL_PAGES = 200
# Others than these few the planner takes by itself.
WAITING_MAX = 10
SHOWN = ("Node Type", "Relation Name", "Index Name", "Total Cost", "Plan Rows", "Filter", "Index Cond")

# By rule apart: what keeps a constraint, and what is there for the check of a foreign key alone.
NAMED_INDEXES = """
SELECT i.indexrelid::regclass::text FROM pg_index AS i JOIN pg_class AS t ON t.oid = i.indrelid
WHERE t.relnamespace = 'public'::regnamespace AND NOT t.relispartition
    AND t.relname ~ '^(common|accounts|gigs|orders|payments|messaging|reviews)_'
    AND NOT i.indisunique AND NOT i.indisexclusion
    AND NOT (i.indnkeyatts = 1 AND i.indpred IS NULL AND EXISTS (
        SELECT FROM pg_constraint AS c
        WHERE c.contype = 'f' AND c.conrelid = i.indrelid AND c.conkey = ARRAY[i.indkey[0]]))
"""


def rows(alias: str, query: str, *parameters: Any) -> list[Any]:
    with connections[alias].cursor() as cursor:
        cursor.execute(query, parameters or None)
        return list(cursor.fetchall())


def plan_of(query: Query) -> list[dict[str, Any]]:
    """Return the nodes of the plan of a query; "Limited": a LIMIT ends it before it has read everything."""

    def nodes(node: dict[str, Any], *, limited: bool = False) -> Iterator[dict[str, Any]]:
        yield {**node, "Limited": limited}
        limited = node["Node Type"] == "Limit" or (limited and node["Node Type"] not in READS_ALL_BELOW)
        for below in node.get("Plans", ()):
            yield from nodes(below, limited=limited)

    (explained,) = json.loads(query.explain(format="json"))
    return list(nodes(explained["Plan"]))


def indexes_in(alias: str, plan: list[dict[str, Any]]) -> set[str]:
    """Return the indexes that a plan uses; those of partitions by the name of their parent's."""
    names = sorted({node["Index Name"] for node in plan if "Index Name" in node})
    root = "SELECT coalesce(pg_partition_root(name::regclass), name::regclass)::oid::regclass::text"
    return {name for (name,) in rows(alias, f"{root} FROM unnest(%s::text[]) AS u (name)", names)}


def bytes_read_through(alias: str, plan: list[dict[str, Any]]) -> int:
    """Return the size of all that a plan reads from end to end, also by an index; of bitmaps their share of a table."""

    def size(relation: str, tuples: float = math.inf) -> int:
        share = "pg_relation_size(oid) * least(1, %s / greatest(reltuples, 1))"
        return int(rows(alias, f"SELECT {share} FROM pg_class WHERE oid = %s::regclass", tuples, relation)[0][0])  # noqa: S608 (the line above)

    total = 0
    for node in plan:
        kind = node["Node Type"]
        if kind == "Seq Scan":
            total += size(node["Relation Name"])
        elif kind == "Bitmap Heap Scan":
            (bitmap,) = [below for below in node["Plans"] if below["Parent Relationship"] == "Outer"]
            total += size(node["Relation Name"], bitmap["Plan Rows"])
        elif kind in {"Index Scan", "Index Only Scan"} and "Index Cond" not in node and not node["Limited"]:
            total += size(node["Index Name" if kind == "Index Only Scan" else "Relation Name"])
    return total


def prefer_indexes_of_small_tables(asked: Asked, index: str) -> None:
    """Have the planner prefer indexes for the rest of the transaction where the index's table is small."""
    pages = """
        SELECT coalesce(sum(relpages), 0) FROM pg_index JOIN pg_class AS t
            ON indrelid IN (t.oid, pg_partition_root(t.oid)) AND t.relkind = 'r' WHERE indexrelid = %s::regclass
    """
    if rows(asked.alias, pages, index)[0][0] < SMALL_PAGES:
        rows(asked.reader, "SELECT set_config('enable_seqscan', 'off', true)")


@contextmanager
def reading(large: str, role: str) -> Iterator[Asked]:
    """A session of a role in the large database."""
    alias, owner = f"large_{role}", settings.DATABASES[large]
    settings.DATABASES[alias] = {
        **owner, "USER": role, "PASSWORD": f"test-{role}",
        "OPTIONS": {name: value for name, value in owner["OPTIONS"].items() if name != "assume_role"},
    }  # fmt: skip
    try:
        yield Asked(alias=large, reader=alias)
    finally:
        connections[alias].close()
        del connections[alias]
        del settings.DATABASES[alias]


@pytest.fixture(scope="module")
def application(large: str) -> Iterator[Asked]:
    with reading(large, "freelance_user") as made:
        yield made


@pytest.fixture(scope="module")
def staff(large: str) -> Iterator[Asked]:
    with reading(large, "freelance_staff") as made:
        yield made


@contextmanager
def asking(application: Asked, staff: Asked, name: str) -> Iterator[Asked]:
    """Run a transaction of who asks the query of this name."""
    asked = staff if name in ASKED_BY_STAFF else application
    if name in ASKED_BY_THE_OWNER:
        asked = Asked(alias=asked.alias, reader=asked.alias)
    person = who_asks(asked, name)
    with acting_as_platform(asked.reader) if person is None else acting_as(person, asked.reader):
        yield asked


def test_the_big_tables_have_a_million_rows(large: str) -> None:
    for table in (copied.table for copied in COPIED):
        assert rows(large, f"SELECT count(*) >= 1000000 FROM {table}") == [(True,)], table  # noqa: S608 (a model's)
    for log in kept_tables(large):
        assert rows(large, f"SELECT count(*) FROM {log}_default") == [(0,)], log  # noqa: S608 (a model's)
    assert rows(large, "SELECT pg_table_size('messaging_message')")[0][0] > SEQUENTIAL_BYTES_MAX


def test_there_is_no_index_without_a_query(large: str) -> None:
    assert {name for (name,) in rows(large, NAMED_INDEXES)} == QUERIES.keys()


@pytest.mark.parametrize("index", QUERIES)
def test_an_index_serves_the_query_that_it_is_named_after(application: Asked, staff: Asked, index: str) -> None:
    with asking(application, staff, index) as asked:
        query = QUERIES[index](asked)
        prefer_indexes_of_small_tables(asked, index)
        plan = plan_of(query)
    shown = [{name: node[name] for name in SHOWN if name in node} for node in plan]
    assert index in indexes_in(asked.alias, plan), json.dumps(shown, indent=1, ensure_ascii=False)


def test_few_indexes_wait_for_more_rows(
    application: Asked, staff: Asked, record_property: Callable[[str, object], None]
) -> None:
    """Of these the planner prefers another way as long as their tables are small."""
    waiting = []
    for index, query in QUERIES.items():
        with asking(application, staff, index) as asked:
            if index not in indexes_in(asked.alias, plan_of(query(asked))):
                waiting.append(index)
    record_property("indexes_that_need_enable_seqscan_off", waiting)
    print(f"{len(waiting)} of {len(QUERIES)} indexes need enable_seqscan = off: {', '.join(waiting)}")
    assert len(waiting) <= WAITING_MAX


@pytest.mark.parametrize("name", [*QUERIES, *BESIDES])
def test_no_query_reads_a_big_table_from_end_to_end(application: Asked, staff: Asked, name: str) -> None:
    with asking(application, staff, name) as asked:
        plan = plan_of((QUERIES | BESIDES)[name](asked))
    assert bytes_read_through(asked.alias, plan) < SEQUENTIAL_BYTES_MAX


@pytest.mark.parametrize(
    ("kind", "wanted", "without"),
    [
        ("Seq Scan", {"body": "没有人写过"}, ""),
        ("Index Scan", {"body": "没有人写过"}, "seqscan"),
        ("Bitmap Heap Scan", {"pk__gt": UUID(int=0)}, "seqscan indexscan"),
    ],
)
def test_a_query_that_reads_it_all_is_found_out(
    application: Asked, kind: str, wanted: dict[str, Any], without: str
) -> None:
    """The limit refuses what it is there for: a filter that no index serves, or that keeps everything."""
    from apps.messaging.models import Message  # noqa: PLC0415 (this test alone asks it)

    with acting_as_platform(application.reader):
        for way in without.split():
            rows(application.reader, "SELECT set_config(%s, 'off', true)", f"enable_{way}")
        plan = plan_of(Message.objects.using(application.reader).filter(**wanted))
    assert kind in {node["Node Type"] for node in plan}
    assert bytes_read_through(application.alias, plan) > SEQUENTIAL_BYTES_MAX


def counted(asked: Asked, name: str) -> int:
    query = (QUERIES | BESIDES)[name](asked)
    assert isinstance(query, QuerySet)
    return query.count()


@pytest.mark.parametrize("name", [name for name in [*QUERIES, *BESIDES] if name not in ASKED_BY_THE_OWNER])
def test_who_asks_loses_no_row(application: Asked, staff: Asked, name: str) -> None:
    with asking(application, staff, name) as asked:
        found = counted(asked, name)
    assert found == counted(Asked(alias=asked.alias, reader=asked.alias), name)


def test_the_ledger_asks_what_is_explained(owner: Any) -> None:
    with owner.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = 'ledger_submit_payouts'")
        ((source,),) = cursor.fetchall()
    asked = "WHERE kind = p_kind AND status = 'requested' ORDER BY created_at, id LIMIT p_limit"
    assert asked in " ".join(source.split())
