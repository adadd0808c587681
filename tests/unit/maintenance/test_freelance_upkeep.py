"""What upkeep plans: from measured figures to statements."""

import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.loading import load

MODULE = Path(__file__).parents[3] / "roles/maintenance_cron/files/freelance_upkeep.py"
upkeep = load(MODULE)
LIMITS = upkeep.Limits(
    analyze_changed_percent=5,
    analyze_changed_rows_min=1000,
    analyze_parents_days=7,
    vacuum_dead_percent=10,
    vacuum_dead_rows_min=10_000,
    vacuum_age_transactions=150_000_000,
    vacuum_age_multixacts=300_000_000,
    reindex_density_percent_min=50,
    reindex_size_mib_min=16,
)
TABLE = {
    "name": "public.t",
    "is_parent": False,
    "rows": 100_000,
    "dead_rows": 0,
    "changed_rows": 0,
    "analyzed_days_ago": 1.0,
    "age_transactions": 0,
    "age_multixacts": 0,
    "is_catalog": False,
}
INDEX = {
    "name": "public.i",
    "relation": "i",
    "valid": True,
    "building": False,
    "concurrent": True,
    "measurable": True,
    "size_bytes": 64 * 2**20,
    "collations": [],
}


def table(**values: Any) -> Any:
    return upkeep.Table(**TABLE | values)


def index(**values: Any) -> Any:
    return upkeep.Index(**INDEX | values)


def statements(actions: list[Any]) -> list[str]:
    return [action.statement for action in actions]


@pytest.mark.parametrize(
    ("hour", "start", "end", "inside"),
    [(0, 0, 6, True), (5, 0, 6, True), (6, 0, 6, False), (23, 22, 4, True), (3, 22, 4, True), (4, 22, 4, False)],
)
def test_a_window_may_span_midnight(hour: int, start: int, end: int, inside: bool) -> None:
    assert upkeep.in_window(hour, start, end) is inside


@given(st.integers(0, 23), st.integers(0, 23), st.integers(0, 23))
def test_two_windows_that_share_their_ends_share_the_day(hour: int, start: int, end: int) -> None:
    if start == end:
        assert upkeep.in_window(hour, start, end)
    else:
        assert upkeep.in_window(hour, start, end) != upkeep.in_window(hour, end, start)


@pytest.mark.parametrize(
    ("values", "stale"),
    [
        ({}, False),
        ({"analyzed_days_ago": None}, True),
        ({"changed_rows": 4999}, False),
        ({"changed_rows": 5000}, True),
        ({"rows": 10, "changed_rows": 999}, False),
        ({"is_catalog": True, "changed_rows": 5000}, False),
        ({"is_parent": True, "analyzed_days_ago": 6.9}, False),
        ({"is_parent": True, "analyzed_days_ago": 7.0}, True),
    ],
)
def test_stale_statistics_are_refreshed(values: dict[str, Any], stale: bool) -> None:
    assert statements(upkeep.analyze([table(**values)], LIMITS)) == ["ANALYZE public.t"] * stale


def test_old_rows_are_frozen_first_then_the_most_dead_rows_go() -> None:
    tables = [
        table(name="few", dead_rows=9_999),
        table(name="share", rows=1_000_000, dead_rows=100_000),
        table(name="more", dead_rows=20_000),
        table(name="most", dead_rows=30_000),
        table(name="shared", age_transactions=1, age_multixacts=300_000_000),
        table(name="old", age_transactions=150_000_000),
        table(name="pg_catalog.old", age_transactions=150_000_001, is_catalog=True),
        table(name="parent", is_parent=True, dead_rows=10**9),
    ]
    assert statements(upkeep.vacuum(tables, LIMITS)) == [
        "VACUUM (FREEZE, TRUNCATE false) pg_catalog.old",
        "VACUUM (FREEZE, TRUNCATE false) old",
        "VACUUM (FREEZE, TRUNCATE false) shared",
        "VACUUM (TRUNCATE false) most",
        "VACUUM (TRUNCATE false) more",
    ]


@pytest.mark.parametrize("relation", ["i_ccnew", "i_ccold", "i_ccnew1", "i_ccold12"])
def test_leftovers_go_unless_somebody_builds_or_uses_them(relation: str) -> None:
    left = {"relation": relation, "name": f"public.{relation}", "valid": False}
    assert statements(upkeep.leftovers([index(**left)])) == [f"DROP INDEX CONCURRENTLY public.{relation}"]
    assert upkeep.leftovers([index(**left | {"building": True}), index(**left | {"valid": True})]) == []


@pytest.mark.parametrize("relation", ["i", "i_ccnew_more", "i_cc"])
def test_an_invalid_index_of_another_name_is_left_to_people(relation: str) -> None:
    assert upkeep.leftovers([index(relation=relation, valid=False)]) == []


def test_only_large_sound_b_trees_are_measured_the_largest_first() -> None:
    indexes = [
        index(name="small", size_bytes=16 * 2**20 - 1),
        index(name="limit", size_bytes=16 * 2**20),
        index(name="large"),
        index(name="gin", measurable=False),
        index(name="broken", valid=False),
        index(name="exclusion", concurrent=False),
        index(name="rebuilt anyway", collations=["default"]),
    ]
    assert [one.name for one in upkeep.to_measure(indexes, LIMITS)] == ["large", "limit"]


@pytest.mark.parametrize(("density", "bloated"), [(49.9, True), (50.0, False), (90.0, False), (0.0, True)])
def test_an_index_is_rebuilt_only_for_measured_bloat(density: float, bloated: bool) -> None:
    expected = ["REINDEX (CONCURRENTLY) INDEX public.i"] * bloated
    assert statements(upkeep.reindex_bloated(index(), density, LIMITS)) == expected


def test_a_changed_collation_rebuilds_every_index_of_it_whatever_its_kind_and_size() -> None:
    indexes = [
        index(name="tiny", size_bytes=8192, measurable=False, collations=["default"]),
        index(name="other"),
        index(name="exclusion", concurrent=False, collations=["default"]),
    ]
    assert statements(upkeep.reindex_collated(indexes)) == ["REINDEX (CONCURRENTLY) INDEX tiny"]
    assert upkeep.by_hand(indexes) == ["exclusion"]


def test_files_expire_by_their_names_date_and_foreign_ones_stay() -> None:
    now = datetime.datetime(2026, 3, 31, 12, tzinfo=datetime.UTC)
    names = ["statements_20260227_000000.json.gz", "statements_20260228_235959.json.gz", "postgresql_20260101.html"]
    assert upkeep.expired([*names, "notes.txt", "x_2026.html"], now, 31) == [names[2], names[0]]
