"""What a verified dump must stand: the application's check, the live rows of its time."""

import dataclasses
import importlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from tests.signals import heeded
from tests.unit.backup_cron.test_freelance_restore import NAME, Tools, files, made_config

verification: Any = importlib.import_module("freelance_dump_verification")
servers: Any = importlib.import_module("freelance_drill_server")
PROGRAMS = ["dump_files", "dump_targets", "dump_verification", "markers", "drill_server"]
APPLICATION = {"command": ["manage.py", "check"], "environment": {"DB_HOST": "{socket}"}, "role": "shopkeeper"}
QUERY = "SELECT app FROM steps WHERE at < '{target}'"
GIVEN = {"compare_query": QUERY, "application": APPLICATION, "timeout_seconds": 60}


class Programs(Tools):
    """Stands in for the programs, and keeps what the private server was told of who may enter."""

    def __call__(self, argv: Sequence[str], **more: Any) -> str:
        if argv[-1] == "start":
            data = Path(argv[1].partition("=")[2])
            self.entry = {name: (data / name).read_text() for name in ("pg_hba.conf", "pg_ident.conf")}
        return super().__call__(argv, **more)


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Programs:
    found = Programs()
    for name in PROGRAMS:
        monkeypatch.setattr(importlib.import_module(f"freelance_{name}"), "run_tool", found)
    return found


@pytest.fixture
def config(tmp_path: Path) -> Any:
    """A host where the application's check and the rows to compare are configured, as for the drill."""
    return dataclasses.replace(made_config(tmp_path), dump_role="backup", drill=GIVEN)


@pytest.fixture
def dump(tmp_path: Path, tools: Programs) -> Any:
    tools.answers["relkind"] = "1"  # as many tables as it has
    (tmp_path / NAME).write_bytes(b"PGDMP")
    (tmp_path / "globals.sql").touch()
    return files.Dump(path=tmp_path / NAME, database="shop", major=17, tables=["public.steps"])


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({}, "2, 0, 0, manage.py check: exit status 0"),
        ({"FROM steps": "a\nb\nc"}, "2, 0, 1, manage.py check: exit status 0"),  # of a later release
        ({"02:00:00+00": "a"}, "1, 1, 0, manage.py check: exit status 0"),  # of another cluster
        ({"fails": "manage.py"}, "the tool's own words"),
    ],
)
def test_the_application_checks_what_came_of_a_dump_and_it_is_told_how_rows_differ(
    config: Any, dump: Any, tools: Programs, answers: dict[str, str], said: str
) -> None:
    restored = {"server --port=5432 --username=backup": "a\nb", "02:00:00+00": "a\nb", "FROM steps": "a\nb"}
    tools.answers = {**restored, **tools.answers, **answers}
    tools.fails = answers.get("fails", "")
    try:
        found = verification.verify(config, dump, dump.path.with_name("globals.sql"))
        told = f"{found['compared_rows']}, {found['differing_rows']}, {found['newer_rows']}, {found['application']}"
    except files.JobError as error:
        told = str(error)
    assert re.search(said, told)
    assert len(tools.did("at < '2026-11-29 02:00:00+00'")) == 2
    # The private server lets in who reads, on the system user's word.
    assert tools.entry["pg_hba.conf"].count("peer") == 3
    assert "drill postgres shopkeeper\n" in tools.entry["pg_ident.conf"]


def test_without_a_live_database_there_is_nothing_to_compare_with(config: Any, dump: Any, tools: Programs) -> None:
    tools.answers["relkind"] = "0"
    told = verification.look_as_a_drill_does(config, dump, dump.path.parent)
    assert told == {"application": "left out: shop is empty here, a release comes with its migrations"}
    assert tools.did("manage.py") == []


def test_a_dump_of_another_database_is_no_matter_of_the_application(config: Any, dump: Any, tools: Programs) -> None:
    # It is here too, and has tables; the application would look for its own.
    other = dataclasses.replace(dump, database="yesterday")
    tools.answers["datname = 'yesterday'"] = "1"
    found = verification.verify(config, other, dump.path.with_name("globals.sql"))
    assert found["application"] == "left out: yesterday is none of the databases that are dumped here (shop)"
    assert tools.did("manage.py") == tools.did("FROM steps") == []


def test_verification_leaves_nothing_also_when_it_fails(config: Any, dump: Any, tools: Programs) -> None:
    roles = dump.path.with_name("globals.sql")
    tools.fails = "pg_amcheck"
    with pytest.raises(files.JobError, match="the tool's own words"):
        verification.verify(config, dump, roles)
    assert tools.did("listen_addresses=")
    assert not Path(config.scratch_dir, verification.SERVER).exists()


def test_a_verification_goes_on_and_cleans_up_while_the_live_server_says_no_version(
    config: Any, dump: Any, tools: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It was asked which programs to begin with; what the private server runs stands in that one's own data.
    monkeypatch.setattr(verification, "major_of", Mock(side_effect=[17, files.JobError("could not connect to server")]))
    assert verification.verify(config, dump, dump.path.with_name("globals.sql"))["tables"] == 1
    assert tools.did("/usr/lib/postgresql/17/bin/pg_amcheck")
    assert not Path(config.scratch_dir, verification.SERVER).exists()


def test_verification_compares_the_tables_with_those_that_the_dump_names(
    config: Any, dump: Any, tools: Programs
) -> None:
    roles = dump.path.with_name("globals.sql")
    tools.answers["relkind"] = "2"
    with pytest.raises(files.JobError, match="2 tables came of 1 that it names"):
        verification.verify(config, dump, roles)
    tools.answers["relkind"] = "1"
    assert verification.verify(config, dump, roles)["tables"] == 1


@pytest.fixture
def left(config: Any) -> Path:
    """What a killed verification left, in whose postmaster.pid another process's number stands since a crash."""
    folder = Path(config.scratch_dir, verification.SERVER)
    (folder / "data").mkdir(parents=True)
    (folder / "data/PG_VERSION").write_text("17\n")
    (folder / "data/postmaster.pid").write_text(f"{os.getpid()}\n{folder}/data\n")
    return folder


@contextmanager
def running(title: str, works_in: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks like a program that works in a folder."""
    script = "trap 'exit 3' QUIT TERM; echo; while :; do sleep 0.1; done"
    argv = [title, "-c", script, *words]
    with heeded(), subprocess.Popen(argv, executable="/bin/sh", cwd=works_in, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            process.stdout.readline()  # its signals have their meaning
            yield process
        finally:
            process.kill()


def test_what_a_killed_verification_left_is_gone_before_room_is_asked_for(
    config: Any, left: Path, tools: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    program: Any = importlib.import_module("freelance_restore")

    def find(*_: Any) -> None:
        assert not left.exists()
        raise files.JobError("no room for what is fetched")

    monkeypatch.setattr(program, "find", find)
    with pytest.raises(files.JobError, match="no room"):
        program.work(config, program.parse(["verify", "yesterday.dump"]))
    # No program is told to stop whatever has the number in postmaster.pid.
    assert tools.calls == []


@pytest.mark.parametrize("named", [False, True], ids=["works there", "names it"])
def test_the_server_that_a_killed_verification_left_ends_and_no_other(
    config: Any, left: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    where, words = (tmp_path, ["-D", f"{left}/data"]) if named else (left / "data", [])
    with running("postgres", where, *words) as ours, running("postgres", tmp_path) as other:
        (left / "data/postmaster.pid").write_text(f"{other.pid}\n{left}/data\n")
        monkeypatch.setattr(servers.time, "sleep", lambda _: ours.poll())
        verification.remove_server(config)
        ours.kill()  # which does nothing to one that has ended
        assert ours.wait() == 3
        assert other.poll() is None
    assert not left.exists()


@pytest.mark.parametrize("version", ["", "9.6\n"], ids=["cut off", "of programs that are gone"])
def test_what_was_left_goes_without_a_program_that_fits_it(config: Any, left: Path, version: str) -> None:
    (left / "data/PG_VERSION").write_text(version)
    verification.remove_server(config)
    assert not left.exists()
