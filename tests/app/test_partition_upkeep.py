"""Months of the logs are made ahead, and rows without one are kept and moved: no row is lost, nobody gets in."""

import threading
from datetime import timedelta

from apps.common.models import EventModel
from apps.common.partitions import kept_tables, logs, months, upkeep
from apps.common.partman import MONTHS_AHEAD
from apps.gigs.models import GigView
from concurrency import at_once
from config.router import all_on
from django.core.management import call_command
from django.utils import timezone
from log_months import FEBRUARY, LAST_OF_FEBRUARY, MARCH, OLD_VIEWS, VIEWS, also_the_audit, maintain, number, written
from steps_back import go_back
from test_deployment import other_session
from test_partitions import partition_of, run

ROLES = ("freelance_user", "freelance_staff", "reporting_user", "freelance_ledger")


def open_to(alias: str, partition: str) -> list[str]:
    """Return the roles that have a right on a partition."""
    rights = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"
    return [
        role for role in ROLES if run(alias, "SELECT has_table_privilege(%s, %s, %s)", role, partition, rights)[0][0]
    ]


# ---- months ahead
def test_every_log_is_kept_by_pg_partman_and_not_by_its_superuser(deployed: str) -> None:
    assert kept_tables(deployed) == {log._meta.db_table for log in logs()}
    assert run(deployed, "SELECT DISTINCT automatic_maintenance, retention FROM partman.part_config") == [("off", None)]


@also_the_audit
def test_a_new_database_has_this_month_and_six_more_without_a_gap(deployed: str, model: type[EventModel]) -> None:
    found = months(deployed, model)
    assert found[0].begins <= timezone.now() < found[0].ends
    assert upkeep(deployed, model).months_ahead >= MONTHS_AHEAD == 6
    assert [month.begins for month in found[1:]] == [month.ends for month in found[:-1]]
    assert {(month.begins.day, month.begins.hour, month.begins.utcoffset()) for month in found} == {
        (1, 0, timedelta(0))
    }


@also_the_audit
def test_a_row_of_now_goes_to_its_month_at_once(deployed: str, model: type[EventModel]) -> None:
    (row,) = written(model, deployed, timezone.now())
    assert partition_of(row, deployed) == f"{model._meta.db_table}_p{row.created_at:%Y%m}01"


def test_months_that_are_missing_after_a_long_absence_are_made(deployed: str) -> None:
    ahead = [month.name for month in months(deployed, GigView)][1:]
    run(deployed, f"DROP TABLE {', '.join(ahead)}")
    assert upkeep(deployed, GigView).months_ahead == 0
    said, report = maintain(deployed)
    # Near the end of a month pg_partman makes one more, of the other logs, too.
    assert [line for line in said if line.startswith(f"{VIEWS}:")][: len(ahead)] == [
        f"{VIEWS}: {name} made" for name in ahead
    ]
    assert report[VIEWS]["months_ahead"] >= MONTHS_AHEAD


# ---- the safety net
@also_the_audit
def test_a_row_for_a_month_without_a_partition_is_kept_and_moved_to_its_child(
    deployed: str, model: type[EventModel]
) -> None:
    table = model._meta.db_table
    rows = written(model, deployed, FEBRUARY, LAST_OF_FEBRUARY, MARCH)
    assert {partition_of(row, deployed) for row in rows} == {f"{table}_default"}
    assert maintain(deployed, "--check")[1][table]["in_default"] == {"2019-02": 2, "2019-03": 1}
    said, report = maintain(deployed)
    assert f"{table}: 2 rows of 2019-02 moved out of the default partition" in said
    assert report[table]["in_default"] == {}
    with all_on(deployed):
        assert list(model._default_manager.order_by("created_at")) == rows
    assert [partition_of(row, deployed) for row in rows] == [
        f"{table}_p20190201", f"{table}_p20190201", f"{table}_p20190301",
    ]  # fmt: skip


def test_what_is_in_order_is_left_alone(deployed: str) -> None:
    written(GigView, deployed, FEBRUARY)
    first = maintain(deployed)[1]
    before = run(deployed, "SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")
    said, report = maintain(deployed)
    assert [line for line in said if "waits for --archive" not in line] == []
    assert report == first
    assert before == run(
        deployed, "SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    )


def test_a_check_changes_nothing(deployed: str) -> None:
    written(GigView, deployed, FEBRUARY)
    run(deployed, f"DROP TABLE {months(deployed, GigView)[-1].name}")
    _, report = maintain(deployed, "--check")
    assert (report[VIEWS]["in_default"], report[VIEWS]["months_ahead"]) == ({"2019-02": 1}, MONTHS_AHEAD - 1)
    assert maintain(deployed, "--check")[1] == report


def test_a_month_that_is_written_to_meanwhile_is_moved_as_a_whole(deployed: str) -> None:
    """Writers wait for the move; what they write then finds the new partition."""
    (row, *_) = written(GigView, deployed, *[FEBRUARY] * 200)
    insert = (
        "INSERT INTO gigs_gigview (created_at, gig_id, session_digest, source)"
        " VALUES ('2019-02-20', %s, repeat('a', 64), 'share')"
    )
    moved = threading.Event()

    def move() -> None:
        try:
            maintain(deployed)
        finally:
            moved.set()

    def write() -> int:
        count = 0
        with other_session(deployed) as session:
            while not moved.is_set() or count == 0:
                session.execute(insert, [row.gig_id])
                count += 1
        return count

    _, count = at_once(move, write)
    maintain(deployed)
    assert number(deployed, OLD_VIEWS) == 200 + count
    assert number(deployed, f"{VIEWS}_default") == 0


# ---- nobody gets in
def test_no_partition_is_open_to_anybody(deployed: str) -> None:
    written(GigView, deployed, FEBRUARY)
    maintain(deployed)
    for log in logs():
        for name in [month.name for month in months(deployed, log)] + [f"{log._meta.db_table}_default"]:
            assert open_to(deployed, name) == [], name
            assert run(deployed, "SELECT tableowner FROM pg_tables WHERE tablename = %s", name) == [
                ("freelance_owner",)
            ]


def test_a_partition_that_pg_partman_made_alone_is_found_and_closed(deployed: str) -> None:
    run(deployed, "SELECT partman.create_partition_time('public.gigs_gigview', ARRAY['2031-01-01'::timestamptz])")
    made = "gigs_gigview_p20310101"
    # What default privileges give away.
    assert open_to(deployed, made) == ["freelance_user", "freelance_staff", "reporting_user"]
    assert maintain(deployed, "--check")[1][VIEWS]["open"] == [made]
    assert maintain(deployed)[1][VIEWS]["open"] == []
    assert open_to(deployed, made) == []


# ---- beside others
def test_going_back_and_forth_loses_no_row(deployed: str) -> None:
    now = timezone.now()
    rows = written(GigView, deployed, FEBRUARY, now)
    maintain(deployed)
    go_back(deployed, "gigs", "0008_search_index")
    assert {partition_of(row, deployed) for row in rows} == {f"{VIEWS}_default"}
    assert kept_tables(deployed) == {"accounts_useractivitylog", "common_auditlog"}
    call_command("migrate", database=deployed, verbosity=0)
    # This month has rows in the default partition: they are moved out first.
    assert maintain(deployed, "--check")[1][VIEWS]["in_default"] == {"2019-02": 1, f"{now:%Y-%m}": 1}
    maintain(deployed)
    assert [partition_of(row, deployed) for row in rows] == [OLD_VIEWS, f"{VIEWS}_p{now:%Y%m}01"]
