"""Which days' logs become pages, and when that has to wait."""

import datetime
import importlib
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROLES = Path(__file__).parents[3] / "roles"
NOW = datetime.datetime(2026, 3, 11, 1).astimezone()  # a Wednesday


@pytest.fixture(scope="module")
def reports() -> Iterator[Any]:
    """The module with what it stands on, under their own names as on a host."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROLES / "job_runner/files"))
        patch.syspath_prepend(str(ROLES / "maintenance_cron/files"))
        patch.setattr(sys, "dont_write_bytecode", True)
        yield importlib.import_module("freelance_reports")


@pytest.fixture
def host(reports: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A host that keeps its logs by the weekday; `read` has the logs that pgBadger was given."""
    (tmp_path / "reports").mkdir()
    host = types.SimpleNamespace(config=types.SimpleNamespace(status_dir=str(tmp_path), keep_days=31), read=[])
    host.pages = lambda: sorted(path.name for path in (tmp_path / "reports").iterdir())

    def pgbadger(argv: list[str]) -> str:
        host.read.append(Path(argv[-1]).name)
        [page] = [word.partition("=")[2] for word in argv if word.startswith("--outfile=")]
        Path(page).write_text("a page", encoding="utf-8")
        return ""

    monkeypatch.setattr(reports, "run_tool", pgbadger)
    monkeypatch.setattr(reports, "log_names", lambda _: (tmp_path, "postgresql-%a.log", "%m "))

    def logged(*days_ago: int, name: str = "postgresql-%a.log", hour: int = 23) -> None:
        for ago in days_ago:
            day = NOW - datetime.timedelta(days=ago)
            log = tmp_path / day.strftime(name)
            log.touch()
            written = day.replace(hour=hour).timestamp()
            os.utime(log, (written, written))

    host.logged = logged
    return host


def test_each_day_that_was_missed_gets_its_page_and_none_gets_two(reports: Any, host: Any) -> None:
    host.logged(3, 1)
    assert reports.report(host.config, NOW, lambda: "") == {"bytes": 12, "pages": 2}
    assert host.pages() == ["postgresql_20260308.html", "postgresql_20260310.html"]
    assert reports.report(host.config, NOW, lambda: "") == {"bytes": 0, "pages": 0}
    assert host.read == ["postgresql-Sun.log", "postgresql-Tue.log"]


def test_a_log_of_last_week_or_of_today_is_not_taken_for_a_days_own(reports: Any, host: Any) -> None:
    host.logged(0, 8, hour=0)
    assert reports.unread(host.config, NOW)[0] == {}
    host.logged(7)
    assert reports.unread(host.config, NOW)[0] == {}


def test_one_log_for_all_days_makes_one_page(reports: Any, host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "log_names", lambda config: (Path(config.status_dir), "server.log", "%m "))
    host.logged(0, name="server.log", hour=0)
    assert list(reports.unread(host.config, NOW)[0]) == [datetime.date(2026, 3, 10)]


def test_a_page_that_would_be_forgotten_at_once_is_not_made(reports: Any, host: Any) -> None:
    host.config.keep_days = 2
    host.logged(3, 2)
    reports.report(host.config, NOW, lambda: "")
    assert host.pages() == ["postgresql_20260309.html"]


def test_a_backup_is_waited_for_before_each_page(reports: Any, host: Any) -> None:
    host.logged(2, 1)
    obstacles = ["", "a backup or a dump is running"]
    with pytest.raises(reports.Postponed, match="a backup or a dump is running"):
        reports.report(host.config, NOW, lambda: obstacles.pop(0))
    assert host.pages() == ["postgresql_20260309.html"]
