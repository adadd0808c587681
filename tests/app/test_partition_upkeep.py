"""The months of the logs are kept by pg_partman and `manage.py maintain_partitions`: no row is lost, nobody gets in."""

import gzip
import io
import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from apps.common import partitions
from apps.common.management.commands.maintain_partitions import ADVISORY_LOCK
from apps.common.models import AuditLog, EventModel
from apps.common.partitions import Keeper, kept_tables, logs, months, upkeep
from apps.common.partman import MONTHS_AHEAD
from apps.gigs.models import GigSearchHistory, GigView
from concurrency import at_once
from config.router import all_on
from django.core.management import CommandError, call_command
from django.db import router, transaction
from django.utils import timezone
from steps_back import go_back
from test_deployment import other_session
from test_partitions import LOGS, partition_of, run

FEBRUARY = datetime(2019, 2, 14, tzinfo=UTC)
LAST_OF_FEBRUARY = datetime(2019, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)
MARCH = datetime(2019, 3, 1, tzinfo=UTC)
FAST = ("--lock-timeout", "100", "--pause", "0.01")
VIEWS, OLD_VIEWS, NEXT_VIEWS = "gigs_gigview", "gigs_gigview_p20190201", "gigs_gigview_p20190301"
ROLES = ("freelance_user", "freelance_staff", "reporting_user", "freelance_ledger")


def noted(created_at: datetime) -> AuditLog:
    """Write an entry of the audit log, as only its owner may."""
    alias = router.db_for_write(AuditLog)
    with transaction.atomic(using=alias):
        run(alias, "SET LOCAL ROLE audit_owner")
        return AuditLog.objects.create(
            table_name="accounts_user", operation="truncate", login_role="", statement_role="", transaction_id=1,
            created_at=created_at,
        )  # fmt: skip


every_log = pytest.mark.parametrize("model", LOGS)
# Its rows come as its owner's, and go like any others.
WRITTEN: dict[type[EventModel], Callable[..., Any]] = {**LOGS, AuditLog: noted}
also_the_audit = pytest.mark.parametrize("model", WRITTEN)


def maintain(alias: str, *options: str) -> tuple[list[str], dict[str, Any]]:
    """Run the command; return what it said and its report."""
    output = io.StringIO()
    call_command("maintain_partitions", "--database", alias, *options, stdout=output)
    *said, report = output.getvalue().splitlines()
    return said, json.loads(report)


def written(model: type[EventModel], alias: str, *moments: datetime) -> list[Any]:
    """Write a row of the log for each moment, committed."""
    with all_on(alias):
        return [WRITTEN[model](created_at=moment) for moment in moments]


def number(alias: str, table: str) -> int:
    return int(run(alias, f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 (named here)


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


# ---- retired
def archived(folder: Path, name: str) -> list[str]:
    """Return the archived rows as COPY wrote them."""
    return gzip.decompress((folder / f"{name}.copy.gz").read_bytes()).decode().splitlines()[1:]


def retire(alias: str, folder: Path, *options: str) -> tuple[list[str], dict[str, Any]]:
    return maintain(alias, "--archive", str(folder), *options)


@every_log
def test_an_old_month_is_archived_detached_and_dropped(deployed: str, model: type[EventModel], tmp_path: Path) -> None:
    table = model._meta.db_table
    written(model, deployed, FEBRUARY, LAST_OF_FEBRUARY)
    (kept,) = written(model, deployed, timezone.now())
    old_ones = f"SELECT * FROM {table} WHERE created_at < '2020-01-01' ORDER BY id"  # noqa: S608 (a model's)
    before = run(deployed, old_ones)
    said, report = retire(deployed, tmp_path)
    assert f"{table}: {table}_p20190201 archived with 2 rows, detached and dropped" in said
    assert report[table]["to_retire"] == []
    assert not exists(deployed, f"{table}_p20190201")
    with all_on(deployed):
        assert list(model._default_manager.all()) == [kept]
    file = tmp_path / f"{table}_p20190201.copy.gz"
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert file.stat().st_mode & 0o777 == 0o600
    # It comes back as it was. Policies forbid COPY into the log itself.
    into = f"COPY {table}_default FROM STDIN (HEADER MATCH)"
    with other_session(deployed) as session, session.cursor().copy(into) as copy:
        copy.write(gzip.decompress(file.read_bytes()))
    assert run(deployed, old_ones) == before


def test_a_month_is_kept_as_long_as_its_log_says(
    deployed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {log.__name__: log.KEPT_MONTHS for log in logs()} == {
        "UserActivityLog": 24, "GigView": 13, "GigSearchHistory": 12, "AuditLog": 60,
    }  # fmt: skip
    this_month = timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    month_before = (this_month - timedelta(days=1)).replace(day=1)
    monkeypatch.setattr(GigSearchHistory, "KEPT_MONTHS", 1)
    monkeypatch.setattr(GigView, "KEPT_MONTHS", 0)
    for model in (GigSearchHistory, GigView):
        written(model, deployed, this_month, this_month - timedelta(microseconds=1))
    retire(deployed, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{VIEWS}_p{month_before:%Y%m%d}.copy.gz"]
    monkeypatch.setattr(GigSearchHistory, "KEPT_MONTHS", None)
    written(GigSearchHistory, deployed, FEBRUARY)
    retire(deployed, tmp_path)
    with all_on(deployed):
        assert GigSearchHistory.objects.count() == 3


def test_an_archive_has_an_end(deployed: str, tmp_path: Path) -> None:
    written(GigView, deployed, FEBRUARY, MARCH)
    (tmp_path / "notes.txt").touch()
    retire(deployed, tmp_path)
    old, fresh = (tmp_path / f"{name}.copy.gz" for name in (OLD_VIEWS, NEXT_VIEWS))
    for file, days in ((old, 366), (fresh, 364), (tmp_path / "notes.txt", 900)):
        moment = (timezone.now() - timedelta(days=days)).timestamp()
        os.utime(file, (moment, moment))
    said, _ = retire(deployed, tmp_path)
    assert f"{VIEWS}: {old.name} deleted, archived more than 365 days ago" in said
    assert {path.name for path in tmp_path.iterdir()} == {fresh.name, "notes.txt"}
    retire(deployed, tmp_path, "--keep-archives-days", "30")
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt"}
    with pytest.raises(CommandError, match="--keep-archives-days 0: at least 1 is expected"):
        retire(deployed, tmp_path, "--keep-archives-days", "0")


def test_without_a_folder_an_old_month_stays_and_is_told(deployed: str) -> None:
    written(GigView, deployed, FEBRUARY)
    said, report = maintain(deployed)
    assert f"{VIEWS}: {OLD_VIEWS} is no longer kept, and waits for --archive" in said
    assert report[VIEWS]["to_retire"] == [OLD_VIEWS]
    assert number(deployed, VIEWS) == 1


def test_a_folder_that_does_not_exist_is_refused_before_anything_is_done(deployed: str, tmp_path: Path) -> None:
    written(GigView, deployed, FEBRUARY)
    with pytest.raises(CommandError, match="no such folder"):
        retire(deployed, tmp_path / "missing")
    assert upkeep(deployed, GigView).in_default == {"2019-02": 1}


# ---- stopped at any place, and gone on with
class StoppedError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("steps", range(8))
def test_a_run_that_was_stopped_is_gone_on_with(
    deployed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Two months to move, months to make, two to detach and to drop: seven steps of this log, and its end."""
    written(GigView, deployed, FEBRUARY, LAST_OF_FEBRUARY, MARCH)
    done = [0]
    step: Callable[..., Any] = Keeper._step

    def stopping(self: Keeper, table: str, action: Callable[[Any], Any]) -> Any:
        if done[0] == steps:
            raise StoppedError
        done[0] += 1
        return step(self, table, action)

    keeper = Keeper(alias=deployed)
    with monkeypatch.context() as stopped:
        stopped.setattr(Keeper, "_step", stopping)
        try:
            list(keeper.empty_default(GigView))
            keeper.make_months(GigView)
            list(keeper.retire(GigView, tmp_path))
        except StoppedError:
            assert steps < 7
    # Every row is in the log, in a partition that left it, or archived.
    dropped = [name for name in (OLD_VIEWS, NEXT_VIEWS) if done[0] > 2 and not exists(deployed, name)]
    beside = sum(number(deployed, name) for name in detached(deployed))
    assert number(deployed, VIEWS) + beside + sum(len(archived(tmp_path, name)) for name in dropped) == 3
    _, report = retire(deployed, tmp_path)
    assert (report[VIEWS]["in_default"], report[VIEWS]["open"], report[VIEWS]["to_retire"]) == ({}, [], [])
    assert (len(archived(tmp_path, OLD_VIEWS)), len(archived(tmp_path, NEXT_VIEWS))) == (2, 1)
    assert (number(deployed, VIEWS), detached(deployed)) == (0, [])


def detached(alias: str) -> list[str]:
    """Return the partitions of the views that left their parent."""
    apart = "relname ~ '^gigs_gigview_p' AND relkind = 'r' AND NOT relispartition"
    return [name for (name,) in run(alias, f"SELECT relname::text FROM pg_class WHERE {apart}")]  # noqa: S608 (named here)


def exists(alias: str, name: str) -> bool:
    return run(alias, "SELECT to_regclass(%s)", name) != [(None,)]


def test_what_came_while_a_month_was_archived_is_archived_too(
    deployed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(GigView, deployed, FEBRUARY)
    original = partitions.archive

    def with_a_late_row(alias: str, name: str, folder: Path) -> int:
        rows = original(alias, name, folder)
        if len(archived(folder, name)) == 1:
            written(GigView, deployed, LAST_OF_FEBRUARY)
        return rows

    monkeypatch.setattr(partitions, "archive", with_a_late_row)
    retire(deployed, tmp_path)
    assert len(archived(tmp_path, OLD_VIEWS)) == 2


# ---- beside others
def reading(alias: str) -> psycopg.Connection[Any]:
    """Return a session in a transaction that has read the log."""
    session = other_session(alias)
    session.autocommit = False
    session.execute("SELECT count(*) FROM gigs_gigview")
    return session


def test_a_reader_who_does_not_end_is_not_queued_up_behind(deployed: str, tmp_path: Path) -> None:
    written(GigView, deployed, FEBRUARY)
    with reading(deployed), pytest.raises(CommandError, match=r"lock timeout(.|\n)*Run the same command again"):
        retire(deployed, tmp_path, *FAST, "--attempts", "2")
    assert number(deployed, f"{VIEWS}_default") == 1
    retire(deployed, tmp_path)
    assert number(deployed, VIEWS) == 0


def test_a_reader_who_ends_is_waited_for(deployed: str) -> None:
    written(GigView, deployed, FEBRUARY)
    session = reading(deployed)
    ending = threading.Timer(0.5, session.rollback)
    ending.start()
    try:
        maintain(deployed, *FAST, "--attempts", "12")
    finally:
        ending.join()
        session.close()
    assert number(deployed, OLD_VIEWS) == 1


def test_a_second_upkeep_waits_and_then_names_the_first(deployed: str) -> None:
    with other_session(deployed) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
        with pytest.raises(CommandError, match="Another upkeep of partitions holds the lock"):
            maintain(deployed, "--wait", "0")


def test_a_log_that_pg_partman_does_not_keep_is_refused_by_name(deployed: str) -> None:
    run(deployed, "DELETE FROM partman.part_config WHERE parent_table = 'public.gigs_gigview'")
    with pytest.raises(CommandError, match="pg_partman does not keep gigs_gigview: a migration has to say"):
        maintain(deployed, "--check")


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
