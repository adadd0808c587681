"""When upkeep has to wait, and what configuration it takes."""

import fcntl
import importlib
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

ROLES = Path(__file__).parents[3] / "roles"
LIMITS = {
    "analyze_changed_percent": 5,
    "analyze_changed_rows_min": 1000,
    "analyze_parents_days": 7,
    "vacuum_dead_percent": 10,
    "vacuum_dead_rows_min": 10_000,
    "vacuum_age_transactions": 150_000_000,
    "vacuum_age_multixacts": 300_000_000,
    "reindex_density_percent_min": 50,
    "reindex_size_mib_min": 16,
}


@pytest.fixture(scope="module")
def program() -> Any:
    """The program with what it stands on, under their own names as on a host."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROLES / "job_runner/files"))
        patch.syspath_prepend(str(ROLES / "maintenance_cron/files"))
        patch.setattr(sys, "dont_write_bytecode", True)
        yield importlib.import_module("freelance_maintenance")
        for name in [name for name in sys.modules if name.startswith("freelance_")]:
            del sys.modules[name]


def test_a_lock_that_another_job_holds_is_named(program: Any, tmp_path: Path) -> None:
    lock = tmp_path / "dump.lock"
    paths = [str(tmp_path / "absent.lock"), str(lock)]
    assert program.busy_file(paths) == ""
    with lock.open("w", encoding="utf-8") as held:
        assert program.busy_file(paths) == ""
        fcntl.flock(held, fcntl.LOCK_EX)
        assert program.busy_file(paths) == str(lock)


def test_only_what_is_held_on_the_very_file_counts(
    program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, locks = tmp_path / "dump.lock", tmp_path / "locks"
    lock.touch()
    monkeypatch.setattr(program, "LOCKS", locks)
    inode = lock.stat().st_ino
    for line, held in {
        f"1: FLOCK  ADVISORY  WRITE 812 fe:00:{inode} 0 EOF": str(lock),
        f"1: FLOCK  ADVISORY  WRITE 812 fe:00:1{inode} 0 EOF": "",
        f"1: POSIX  ADVISORY  WRITE 812 fe:00:{inode} 0 EOF": "",
    }.items():
        locks.write_text(f"{line}\n", encoding="utf-8")
        assert program.busy_file([str(lock)]) == held


def test_a_configuration_with_an_unknown_key_is_refused(program: Any, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"databases": ["shop"], "surprise": 1, "limits": {}}), encoding="utf-8")
    with pytest.raises(ValueError, match="surprise"):
        program.Config.load(str(path))


@pytest.fixture
def shop(program: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A leader whose tables are all stale; `asked` has what was run there, `refused` what fails."""

    config = types.SimpleNamespace(databases=["shop"], limits=LIMITS, rebuild_wait_seconds=300)
    shop = types.SimpleNamespace(config=config, asked=[], refused=set(), obstacles=[])

    def ask(_config: Any, _database: str, statement: str, _settings: Any = None) -> str:
        if statement in shop.refused:
            raise program.JobError("canceling statement due to lock timeout")
        shop.asked.append(statement)
        return ""

    stale = {"is_parent": False, "rows": 1, "dead_rows": 0, "changed_rows": 0, "age_transactions": 1}
    stale |= {"age_multixacts": 0, "is_catalog": False}
    tables = [program.server.Table(name=f"public.{name}", analyzed_days_ago=None, **stale) for name in "abc"]
    monkeypatch.setattr(program.server, "tables", lambda *_: tables)
    monkeypatch.setattr(program.server, "ask", ask)
    monkeypatch.setattr(program, "obstacle", lambda *_: shop.obstacles.pop(0) if shop.obstacles else "")
    return shop


def test_a_backup_that_begins_meanwhile_ends_the_work_before_the_next_statement(program: Any, shop: Any) -> None:
    shop.obstacles[:] = ["", "a backup or a dump is running"]
    with pytest.raises(program.Postponed, match=r"a backup or a dump is running \(1 done before\)"):
        program.work(shop.config, "analyze", now=False)
    assert shop.asked == ["ANALYZE public.a"]


def test_every_database_is_vacuumed_and_the_declared_ones_are_analyzed(
    program: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program.server, "databases", lambda _: ["postgres", "shop"])
    looked = list[str]()

    def tables(_: Any, database: str) -> list[Any]:
        looked.append(database)
        return []

    monkeypatch.setattr(program.server, "tables", tables)
    program.work(shop.config, "vacuum", now=False)
    program.work(shop.config, "analyze", now=False)
    assert looked == ["postgres", "shop", "shop"]


def test_no_index_is_measured_once_a_backup_has_begun(program: Any, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    index = {"valid": True, "building": False, "concurrent": True, "measurable": True, "collations": []}
    names = ["large", "small"]
    found = [program.server.Index(name=n, relation=n, size_bytes=2**30 - i, **index) for i, n in enumerate(names)]
    measured = list[str]()
    monkeypatch.setattr(program.server, "indexes", lambda *_: found)

    def density_percent(_config: Any, _database: str, index: Any) -> float:
        measured.append(index.name)
        return 90

    monkeypatch.setattr(program.server, "density_percent", density_percent)
    shop.obstacles[:] = ["", "a backup or a dump is running"]
    with pytest.raises(program.Postponed, match=r"a backup or a dump is running \(0 done before\)"):
        program.work(shop.config, "reindex", now=False)
    assert measured == ["large"]


def test_what_fails_keeps_nothing_else_from_being_done_and_fails_the_job(program: Any, shop: Any) -> None:
    shop.refused.add("ANALYZE public.b")
    with pytest.raises(program.JobError, match=r"\AANALYZE public\.b: canceling statement due to lock timeout\Z"):
        program.work(shop.config, "analyze", now=False)
    assert shop.asked == ["ANALYZE public.a", "ANALYZE public.c"]
