"""The logical layer: what a dump asks for and as whom, where it is taken when a replica fails, and what ages."""

import dataclasses
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

import pytest

from tests.loading import load

ROLES = Path(__file__).parents[3] / "roles"
MODULE = ROLES / "backup_cron/files/freelance_dumps.py"
sys.path.append(str(ROLES / "job_runner/files"))
DAY = 86_400
TODAY = "20261124_020000"
dumps = load(MODULE)


@pytest.fixture
def config(tmp_path: Path) -> Any:
    (tmp_path / "dumps").mkdir()
    return dumps.Config(
        stanza="main",
        databases=["shop"],
        socket_dir="/run/postgresql",
        port=5432,
        dump_role="backup",
        dump_dir=str(tmp_path / "dumps"),
        scratch_dir=str(tmp_path),
        dumps_kept_min=2,
        compress_after_days=7,
        retention_days=30,
        leader_name="direct.test",
        leader_port=5000,
        leader_ca_file="/ca.crt",
        leader_password_file="/pgpass",
        status_dir=str(tmp_path),
        metrics_dir=str(tmp_path),
        cluster_command=[],
        member="db1",
        lag_mib_max=16,
        repositories=1,
        schedules={},
        mail_to="",
    )


class Tools:
    """Stands in for the programs: writes what they would, fails where it is told to, remembers each call."""

    def __init__(self, *, in_recovery: bool = True, size: int = 0) -> None:
        self.answers = {"SELECT pg_is_in_recovery()": "t" if in_recovery else "f"}
        self.answers["SELECT pg_database_size(current_database())"] = str(size)
        self.fails_at: list[str] = []
        self.refused = ""  # what a session with the leader ends with at once
        self.calls: list[tuple[list[str], Mapping[str, str]]] = []

    def __call__(self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> str:
        self.calls.append((list(argv), environment or {}))
        if argv[0] == "pg_dump" and set(self.fails_at) & set(argv):
            raise dumps.JobError("canceling statement due to conflict with recovery")
        for word in argv:
            if word.startswith("--file="):
                Path(word.removeprefix("--file=")).write_text("x", encoding="utf-8")
        [query] = [word.removeprefix("--command=") for word in argv if word.startswith("--command=")] or [""]
        return self.answers.get(query, "") + "\n"

    def session(
        self, argv: Sequence[str], *, env: Mapping[str, str], stderr: TextIO, **_: int
    ) -> AbstractContextManager[SimpleNamespace]:
        """A program that runs beside others, and its end."""

        @contextmanager
        def running() -> Iterator[SimpleNamespace]:
            self.calls.append((["session", *argv], env))
            stderr.write(self.refused)
            yield SimpleNamespace(poll=lambda: 2 if self.refused else None)
            self.calls.append((["session ends"], {}))

        return running()

    def of(self, program: str) -> list[list[str]]:
        return [argv for argv, _ in self.calls if argv[0] == program]


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Tools:
    found = Tools()
    monkeypatch.setattr(dumps, "run_tool", found)
    monkeypatch.setattr(dumps.subprocess, "Popen", found.session)
    monkeypatch.setattr(dumps, "log", lambda *_: None)
    return found


def names(config: Any) -> list[str]:
    return sorted(path.name for path in Path(config.dump_dir).iterdir())


def test_databases_are_dumped_by_the_role_that_reads_and_globals_by_the_superuser(config: Any, tools: Tools) -> None:
    tools.answers[dumps.SIZE] = "7000"
    assert sorted(dumps.dump(config, time.time())) == names(config)
    assert len(names(config)) == 3
    assert len(tools.of("pg_dump")) == 2
    assert all("--username=backup" in argv for argv in tools.of("pg_dump") + tools.of("psql"))
    assert all("--lock-wait-timeout=10min" in argv for argv in tools.of("pg_dump"))
    assert [word for word in tools.of("pg_dumpall")[0] if word.startswith("--username")] == ["--username=postgres"]
    assert [name for name in names(config) if not dumps.NAME.fullmatch(name)] == []
    # Who has the dump alone learns from the schema of its run how much room it takes.
    [schema] = Path(config.dump_dir).glob("schema_shop_*.sql")
    assert schema.read_text(encoding="utf-8") == "x-- The database took 7000 bytes.\n"


def test_a_dump_that_fails_on_a_replica_is_taken_from_the_leader(config: Any, tools: Tools) -> None:
    tools.fails_at = ["--host=/run/postgresql"]
    dumps.dump(config, time.time())
    [tried, taken, *_] = [(argv, more) for argv, more in tools.calls if argv[0] == "pg_dump"]
    assert "--host=/run/postgresql" in tried[0]
    assert {"--host=direct.test", "--port=5000", "--username=backup"} <= set(taken[0])
    assert taken[1]["PGSSLMODE"] == "verify-full"
    assert (taken[1]["PGSSLROOTCERT"], taken[1]["PGPASSFILE"]) == ("/ca.crt", "/pgpass")
    assert len(names(config)) == 3


@pytest.mark.parametrize(("in_recovery", "leader"), [(False, "direct.test"), (True, "")], ids=["leader", "no name"])
def test_elsewhere_it_is_not_tried_again_and_leaves_nothing_half_written(
    config: Any, tools: Tools, in_recovery: bool, leader: str
) -> None:
    tools.answers["SELECT pg_is_in_recovery()"] = "t" if in_recovery else "f"
    tools.fails_at = ["--host=/run/postgresql"]
    with pytest.raises(dumps.JobError, match="conflict with recovery"):
        dumps.dump(dataclasses.replace(config, leader_name=leader), time.time())
    assert len(tools.of("pg_dump")) == 1
    assert [name for name in names(config) if not name.endswith(".partial")] == []


def test_the_leader_knows_of_a_replicas_dump_as_long_as_it_lasts(config: Any, tools: Tools) -> None:
    dumps.dump(config, time.time())
    order = [argv[0] for argv, _ in tools.calls if argv[0] in {"session", "pg_dump", "session ends"}]
    assert order == ["session", "pg_dump", "pg_dump", "session ends"]
    [(argv, more)] = [(argv, more) for argv, more in tools.calls if argv[0] == "session"]
    assert {"--host=direct.test", "--port=5000", "--username=backup", "--no-password"} <= set(argv)
    assert (more["PGAPPNAME"], more["PGSSLMODE"], more["PGPASSFILE"]) == ("pg_dump", "verify-full", "/pgpass")


def test_a_leader_that_could_not_be_told_is_warned_of_and_the_dump_goes_on(
    config: Any, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools.refused, said = "certificate verify failed\n", []
    monkeypatch.setattr(dumps, "log", lambda _, text: said.append(text))
    assert len(dumps.dump(config, time.time())) == 3
    assert said == ["upkeep may not have waited for the dump of shop: certificate verify failed"]


@pytest.mark.parametrize(("in_recovery", "leader"), [(False, "direct.test"), (True, "")], ids=["leader", "no name"])
def test_elsewhere_there_is_no_leader_to_tell(config: Any, tools: Tools, in_recovery: bool, leader: str) -> None:
    tools.answers["SELECT pg_is_in_recovery()"] = "t" if in_recovery else "f"
    dumps.dump(dataclasses.replace(config, leader_name=leader), time.time())
    assert tools.of("session") == []


def test_a_leader_that_fails_too_fails_the_job(config: Any, tools: Tools) -> None:
    tools.fails_at = ["--host=/run/postgresql", "--host=direct.test"]
    with pytest.raises(dumps.JobError, match="conflict with recovery"):
        dumps.dump(config, time.time())


def test_a_first_dump_is_refused_when_the_disk_holds_less_than_half_of_the_database(config: Any, tools: Tools) -> None:
    tools.answers["SELECT pg_database_size(current_database())"] = str(2**62)
    with pytest.raises(dumps.JobError, match=r"half of the databases' size.*make room"):
        dumps.dump(config, time.time())
    assert tools.of("pg_dump") == []


def test_a_dump_is_refused_when_the_disk_holds_no_two_of_the_largest(config: Any, tools: Tools) -> None:
    with Path(config.dump_dir, f"full_backup_shop_{TODAY}.dump").open("wb") as huge:
        huge.truncate(2**42)  # a hole: it takes no room
    with pytest.raises(dumps.JobError, match=r"twice the largest dump.*make room"):
        dumps.dump(config, time.time())
    assert tools.of("pg_dump") == []


def place(config: Any, name: str, days: float, now: float) -> Path:
    path = Path(config.dump_dir, name)
    path.write_text("select 1;", encoding="utf-8")
    os.utime(path, (now - days * DAY, now - days * DAY))
    return path


@pytest.mark.parametrize(
    ("what", "days", "left"),
    [
        ("globals_%s.sql", 6.9, "globals_%s.sql"),
        ("globals_%s.sql", 7.1, "globals_%s.sql.gz"),
        ("schema_shop_%s.sql.gz", 29.9, "schema_shop_%s.sql.gz"),
        ("schema_shop_%s.sql.gz", 30.1, None),
        ("full_backup_shop_%s.dump", 29.9, "full_backup_shop_%s.dump"),
        ("full_backup_shop_%s.dump", 30.1, None),
        ("somebody-elses-%s.sql", 99, "somebody-elses-%s.sql"),
        ("globals_of_somebody.sql", 99, "globals_of_somebody.sql"),
    ],
)
def test_files_age_by_7_and_30_days(config: Any, what: str, days: float, left: str | None) -> None:
    now, old = time.time(), "20260101_020000"
    for kind in ("globals_%s.sql", "schema_shop_%s.sql", "full_backup_shop_%s.dump"):
        for stamp in ("20261123_020000", TODAY):
            place(config, kind % stamp, 0, now)
    kept = names(config)
    place(config, what.replace("%s", old), days, now)
    dumps.prune(config, now)
    found = [name for name in names(config) if name not in kept]
    assert found == ([left.replace("%s", old)] if left else [])
    assert set(kept) <= set(names(config))
    if left:
        age_days = (now - Path(config.dump_dir, found[0]).stat().st_mtime) / DAY
        assert abs(age_days - days) < 0.01, "compressing keeps the age"


def test_the_newest_of_each_kind_stay_whatever_their_age(config: Any) -> None:
    now = time.time()
    for number in range(1, 5):
        for what, form in (("full_backup_shop", "dump"), ("full_backup_other", "dump"), ("globals", "sql")):
            place(config, f"{what}_2026010{number}_020000.{form}", 99 - number, now)
    dumps.prune(config, now)
    kinds = {"full_backup_shop_%s.dump", "full_backup_other_%s.dump", "globals_%s.sql.gz"}
    assert set(names(config)) == {kind.replace("%s", f"2026010{number}_020000") for kind in kinds for number in (3, 4)}
