"""Old months of the logs are archived, detached and dropped; a run may stop anywhere, and waits for who reads."""

import gzip
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from apps.common import deployment, partitions
from apps.common.management.commands.maintain_partitions import ADVISORY_LOCK
from apps.common.models import EventModel
from apps.common.partitions import Keeper, logs, upkeep
from apps.gigs.models import GigSearchHistory, GigView
from config.router import all_on
from django.core.management import CommandError
from django.utils import timezone
from log_months import (
    FEBRUARY,
    LAST_OF_FEBRUARY,
    MARCH,
    NEXT_VIEWS,
    OLD_VIEWS,
    VIEWS,
    also_the_audit,
    maintain,
    number,
    retire,
    written,
)
from test_deployment import other_session
from test_partitions import run

FAST = ("--lock-timeout", "100", "--pause", "0.01")


def archived(folder: Path, name: str) -> list[str]:
    """Return the archived rows as COPY wrote them."""
    return gzip.decompress((folder / f"{name}.copy.gz").read_bytes()).decode().splitlines()[1:]


@also_the_audit
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


def exists(alias: str, name: str) -> bool:
    return run(alias, "SELECT to_regclass(%s)", name) != [(None,)]


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


@pytest.mark.parametrize(
    ("lock", "holder_is"), [(ADVISORY_LOCK, "upkeep of partitions"), (deployment.ADVISORY_LOCK, "deployment")]
)
def test_a_second_upkeep_waits_and_then_names_the_first(deployed: str, lock: int, holder_is: str) -> None:
    with other_session(deployed) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [lock])
        with pytest.raises(CommandError, match=f"Another {holder_is} holds the lock"):
            maintain(deployed, "--wait", "0")


def test_a_log_that_pg_partman_does_not_keep_is_refused_by_name(deployed: str) -> None:
    run(deployed, "DELETE FROM partman.part_config WHERE parent_table = 'public.gigs_gigview'")
    with pytest.raises(CommandError, match="pg_partman does not keep gigs_gigview: a migration has to say"):
        maintain(deployed, "--check")
