"""When upkeep has to wait, and what configuration it takes."""

import fcntl
import importlib
import json
import re
import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ROLES = ROOT / "roles"
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
    config.statement_minutes_max, config.busy_locks = 120, {"a deployment": 71, "a refresh": 72}
    shop = types.SimpleNamespace(config=config, asked=[], before=[], refused={}, slow="", reasons=[], obstacles=[])
    cancelled = threading.Semaphore(0)

    def ask(_config: Any, _database: str, statement: str, settings: Any = None, before: Any = ()) -> str:
        if "pg_cancel_backend" in statement:
            shop.asked.append("cancel")
            cancelled.release()
            return ""
        shop.before.append((settings, [re.findall("[0-9]+", each) for each in before]))
        if statement in shop.refused:
            raise program.JobError(shop.refused[statement])
        shop.asked.append(statement)
        if statement == shop.slow:
            # One that comes too early is lost.
            assert all(cancelled.acquire(timeout=5) for _ in range(2))
            raise program.JobError("canceling statement due to user request")
        return ""

    def has_to_end(*_: Any) -> str:
        reason = shop.reasons.pop(0) if shop.reasons else ""
        if reason == "no answer":
            raise program.JobError(reason)
        return str(reason)

    stale = {"is_parent": False, "rows": 1, "dead_rows": 0, "changed_rows": 0, "age_transactions": 1}
    stale |= {"age_multixacts": 0, "is_catalog": False}
    tables = [program.server.Table(name=f"public.{name}", analyzed_days_ago=None, **stale) for name in "abc"]
    monkeypatch.setattr(program.server, "tables", lambda *_: tables)
    monkeypatch.setattr(program.server, "ask", ask)
    monkeypatch.setattr(program.server, "LOOK_S", 0.01)
    monkeypatch.setattr(program, "obstacle", lambda *_: shop.obstacles.pop(0) if shop.obstacles else "")
    monkeypatch.setattr(program, "has_to_end", has_to_end)
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

    def density_percent(_config: Any, _database: str, index: Any, _asked: Any) -> float:
        measured.append(index.name)
        return 90

    monkeypatch.setattr(program.server, "density_percent", density_percent)
    shop.obstacles[:] = ["", "a backup or a dump is running"]
    with pytest.raises(program.Postponed, match=r"a backup or a dump is running \(0 done before\)"):
        program.work(shop.config, "reindex", now=False)
    assert measured == ["large"]


def test_what_fails_keeps_nothing_else_from_being_done_and_fails_the_job(program: Any, shop: Any) -> None:
    shop.refused["ANALYZE public.b"] = "canceling statement due to lock timeout"
    with pytest.raises(program.JobError, match=r"\AANALYZE public\.b: canceling statement due to lock timeout\Z"):
        program.work(shop.config, "analyze", now=False)
    assert shop.asked == ["ANALYZE public.a", "ANALYZE public.c"]


def test_a_statement_runs_under_every_lock_of_its_own_session_and_not_for_ever(program: Any, shop: Any) -> None:
    program.work(shop.config, "analyze", now=False)
    assert shop.before == [({"statement_timeout": "120min"}, [["71"], ["72"]])] * 3


def test_who_holds_a_lock_at_that_very_moment_is_waited_for(program: Any, shop: Any) -> None:
    shop.refused["ANALYZE public.b"] = "psql ended with exit status 3:\nERROR:  the lock of a refresh is held"
    with pytest.raises(program.Postponed, match=r"\Athe lock of a refresh is held \(1 done before\)\Z"):
        program.work(shop.config, "analyze", now=False)
    assert shop.asked == ["ANALYZE public.a"]


def test_a_statement_makes_room_for_who_comes_while_it_runs(program: Any, shop: Any) -> None:
    shop.slow = "ANALYZE public.b"
    # A look that fails is repeated. The last one: the cancelled statement still runs, and whoever came has gone.
    shop.reasons[:] = ["", "no answer", "a deployment is running", ""]
    with pytest.raises(
        program.Postponed, match=r"\AANALYZE public\.b was ended: a deployment is running \(1 done before\)\Z"
    ):
        program.work(shop.config, "analyze", now=False)
    assert list(dict.fromkeys(shop.asked)) == ["ANALYZE public.a", "ANALYZE public.b", "cancel"]


@pytest.mark.parametrize("ended", [True, False])
def test_what_a_rebuild_left_goes_at_once(
    program: Any, shop: Any, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    index = {"valid": True, "building": False, "concurrent": True, "measurable": True, "size_bytes": 1}
    whole = program.server.Index(name="public.i", relation="i", collations=["de"], **index)
    left = program.server.Index(name="public.i_ccnew", relation="i_ccnew", collations=[], **{**index, "valid": False})
    monkeypatch.setattr(program.server, "indexes", lambda *_: [whole, left] if shop.before else [whole])
    rebuild = "REINDEX (CONCURRENTLY) INDEX public.i"
    if ended:
        shop.slow, shop.reasons[:] = rebuild, ["a backup or a dump is running"]
    else:
        shop.refused[rebuild] = "canceling statement due to statement timeout"
    with pytest.raises(program.Postponed if ended else program.JobError, match="REINDEX"):
        program.work(shop.config, "reindex", now=False)
    assert shop.asked[-1] == "DROP INDEX CONCURRENTLY public.i_ccnew"
    assert [settings["lock_timeout"] for settings, _ in shop.before] == ["300s", "300s"]


def test_the_load_that_a_statement_makes_does_not_end_it(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config = types.SimpleNamespace(busy_files=[], busy_locks={"a refresh": 72}, urgent_locks={"a deployment": 75})
    config.window_start_hour = config.window_end_hour = 0
    config.load_per_core_max = -1.0
    asked = list[Any]()

    def busy_on_server(_: Any, *locks: Any) -> str:
        asked.append(locks)
        return ""

    monkeypatch.setattr(program.server, "busy_on_server", busy_on_server)
    assert "-1.0 allowed" in program.obstacle(config, now=False)
    assert program.has_to_end(config, now=False) == ""
    # It holds the locks of the first kind itself.
    assert asked == [(config.busy_locks, config.urgent_locks), (config.urgent_locks,)]


def test_upkeep_knows_the_locks_of_the_application() -> None:
    declared = yaml.safe_load((ROOT / "ansible/playbooks/group_vars/database.yml").read_text(encoding="utf-8"))
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "files/app/apps/common").rglob("*.py")]
    of_application = {
        word: {int(key) for source in sources for key in re.findall(rf"(?m)^{word}_LOCK = ([0-9_]+)$", source)}
        for word in ("ADVISORY", "ANNOUNCING")
    }
    assert set(declared["maintenance_cron_busy_locks"].values()) == of_application["ADVISORY"]
    assert set(declared["maintenance_cron_urgent_locks"].values()) == of_application["ANNOUNCING"]
