"""What is refused before anything changes, what is restored of one table, which roles globals make, what is cleaned."""

import gzip
import importlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

ROLES = Path(__file__).parents[3] / "roles"
sys.path += [str(ROLES / "job_runner/files"), str(ROLES / "backup_cron/files")]
files: Any = importlib.import_module("freelance_dump_files")
targets: Any = importlib.import_module("freelance_dump_targets")
program: Any = importlib.import_module("freelance_restore")
NAME = "full_backup_shop_20261129_020000.dump"
HEADER = """;
; Archive created at 2026-11-29 02:00:00 UTC
;     dbname: {database}
;     Format: {form}
;     Dumped from database version: {version} (Debian 17.6-1)
;
"""
ENTRIES = [
    "215; 1259 16390 TABLE public visits owner",
    "216; 1259 16391 TABLE public visits_low owner",
    "217; 1259 16392 TABLE public goods owner",
    "300; 0 0 TABLE ATTACH public visits_low owner",
    "301; 0 16391 TABLE DATA public visits_low owner",
    "302; 0 16392 TABLE DATA public goods owner",
    "303; 0 16393 SEQUENCE SET public visits_id_seq owner",
    "304; 0 16394 MATERIALIZED VIEW DATA public totals owner",
    "400; 2606 16400 CONSTRAINT public visits visits_pkey owner",
    "401; 2606 16401 FK CONSTRAINT public visits visits_goods_fk owner",
    "402; 2620 16402 TRIGGER public visits audit owner",
    "403; 1259 16403 INDEX public goods_idx owner",
]
# With --create, also of the database as a whole.
OWN = [
    "100; 1262 1 DATABASE - shop owner",
    "101; 0 0 ACL - DATABASE shop owner",
    "102; 0 0 DATABASE PROPERTIES - shop owner",
]
SCRIPT = """\
CREATE DATABASE shop WITH TEMPLATE = template0 LOCALE = 'C';
ALTER DATABASE shop OWNER TO owner;
\\connect shop
ALTER ROLE clerk IN DATABASE shop SET work_mem TO '6MB';
GRANT CONNECT ON DATABASE shop TO shop;
"""
# The definitions of tables that are not there any more tell what belongs to one.
DEFINITIONS = """\
CREATE TABLE public.visits (number integer) PARTITION BY RANGE (number);
ALTER TABLE ONLY public.visits_odd ATTACH PARTITION public."visits_low" FOR VALUES FROM (0) TO (10);
ALTER TABLE ONLY public.visits ATTACH PARTITION public.visits_odd DEFAULT;
"""


class Tools:
    """Stands in for the programs. `answers` maps a part of a query to what psql says; `fails` ends what contains it.

    With `fails_on` nothing answers afterwards either.
    """

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.written: list[str] = []
        self.rows = [b"1\tone\n"]  # what is streamed
        self.fails = ""
        self.fails_on = self.gone = False
        self.header = {"database": "shop", "form": "CUSTOM", "version": "17.6"}
        self.answers = {
            "server_version_num": "170006",
            "pg_is_in_recovery": "f",
            "max_wal_size": str(2**30),
            "shared_preload": "pgaudit",
            "datname = 'shop'": "1",
            "pg_database_size": "1000",
            "pg_total_relation_size": "500",
            "relkind": "0",
            "rolname": "postgres\nowner",
        }

    def __call__(self, argv: Sequence[str], **_: Any) -> str:
        self.calls.append(list(argv))
        words = " ".join(argv)
        if self.gone:
            raise files.JobError("could not connect to server")
        if self.fails and self.fails in words:
            self.gone = self.fails_on
            raise files.JobError(f"{argv[0]} ended with exit status 1:\nthe tool's own words")
        for word in argv:
            if word.startswith(("--use-list=", "--file=/tmp", "--file=/var")):
                path = Path(word.partition("=")[2])
                self.written += [path.read_text(encoding="utf-8")] if path.is_file() else []
        if argv[0].endswith("initdb"):
            data = Path(argv[1].partition("=")[2])
            data.mkdir(parents=True)
            (data / "PG_VERSION").write_text("17\n", encoding="utf-8")
        if argv[0] == "psql":
            return next((said for part, said in self.answers.items() if part in words), "0")
        if "--list" in words:
            return HEADER.format(**self.header) + "\n".join([*(OWN if "--create" in argv else []), *ENTRIES])
        return SCRIPT if "--create" in words else DEFINITIONS if "--section=pre-data --file=-" in words else ""

    def stream(self, argv: Sequence[str]) -> Iterator[bytes]:
        self(argv)
        return iter(self.rows)

    def did(self, part: str) -> list[str]:
        return [words for words in (" ".join(argv) for argv in self.calls) if part in words]


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tools:
    found = Tools()
    (tmp_path / "data/pg_wal").mkdir(parents=True)
    found.answers["data_directory"] = str(tmp_path / "data")
    monkeypatch.setattr(files, "run_tool", found)
    monkeypatch.setattr(files, "streamed", found.stream)
    monkeypatch.setattr(targets, "run_tool", found)
    return found


def config_of(dump: Any) -> Any:
    """The configuration of the host where a dump lies."""
    return made_config(dump.path.parent)


@pytest.fixture
def config(tmp_path: Path) -> Any:
    (tmp_path / "dumps").mkdir()
    return made_config(tmp_path / "dumps")


def made_config(folder: Path) -> Any:
    values = dict.fromkeys(files.Config.__dataclass_fields__, "")
    mine = {
        "databases": ["shop"],
        "dump_dir": str(folder),
        "scratch_dir": str(folder),
        "member": "db1",
        "port": 5432,
        "drill": {},
        "shipping": {},
    }
    return files.Config(**{**values, **mine})


@pytest.fixture
def dump(config: Any, tools: Tools) -> Any:
    path = Path(config.dump_dir, NAME)
    path.write_bytes(b"PGDMP")
    found = files.look(config, path)
    tools.calls.clear()
    return found


def changes(tools: Tools) -> list[str]:
    """Calls that change a server."""
    return [words for words in tools.did("") if any(part in words for part in ("CREATE", "DROP", "ALTER", "initdb"))]


def test_a_dump_is_read_to_its_end(config: Any, dump: Any, tools: Tools) -> None:
    assert (dump.database, dump.major) == ("shop", 17)
    assert dump.tables == ["public.visits", "public.visits_low", "public.goods"]
    files.look(config, dump.path)
    assert tools.did("pg_restore --file=/dev/null")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"form": "TAR"}, "has the format TAR"),
        (
            {"fails": "--list"},
            r"\(5 bytes\) can't be read, a dump of pg_dump --format=custom is wanted:\n.*\nthe tool's own words",
        ),
        ({"fails": "/dev/null"}, "is damaged or cut off after 5 bytes: take an older dump, or the shipped one"),
        ({"version": "18.1"}, "taken of PostgreSQL 18, here is 17: restore it into a newer server"),
        ({"database": "shop';"}, "the name shop'; has more in it than letters"),
    ],
)
def test_what_is_no_whole_dump_of_ours_is_refused(
    config: Any, dump: Any, tools: Tools, header: dict[str, str], said: str
) -> None:
    tools.header |= header
    tools.fails = header.get("fails", "")
    with pytest.raises(files.JobError, match=said):
        files.look(config, dump.path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/srv/none.dump", "/srv/none.dump: no such file; the newest dumps here: .*" + NAME),
        ("none.dump", "none.dump: give an absolute path, or the bare name"),
        ("full_backup_shop_20200101_000000.dump", "does not exist, and this host ships no dumps"),
    ],
)
def test_a_file_that_is_not_there_is_refused(config: Any, dump: Any, tmp_path: Path, name: str, said: str) -> None:
    assert dump.path.exists()
    with pytest.raises(files.JobError, match=said):
        files.find(config, name, tmp_path)


@pytest.mark.parametrize(
    ("words", "answers", "said"),
    [
        ("shop", {}, "a side database has a name of its own"),
        ("template1", {}, "a side database has a name of its own"),
        ("Side", {}, "a side database has a name of its own"),
        ("s" * 53, {}, "1 to 52"),
        ("orders__partial", {}, "that doesn't end in __partial"),
        ("side", {"datname = 'side'": "1"}, "the database side exists: choose another name"),
        ("side public.visitors", {}, "public.visitors is not in .* one of public.visits"),
        ("side", {"pg_is_in_recovery": "t"}, "db1 is a replica: restore on the leader"),
        ("side", {"pg_database_size": str(2**62)}, f"/data: .* bytes free, {2**62 + 2**28} wanted"),
        ("side public.visits", {"pg_total_relation_size": str(2**62)}, "make room there"),
    ],
)
def test_a_side_database_is_refused_before_anything_changes(
    dump: Any, tools: Tools, words: str, answers: dict[str, str], said: str
) -> None:
    into, _, table = words.partition(" ")
    tools.answers = {**answers, **{part: text for part, text in tools.answers.items() if part not in answers}}
    with pytest.raises(files.JobError, match=said):
        targets.restore_beside(config_of(dump), dump, into, table)
    assert changes(tools) == []


def test_a_side_database_has_its_name_only_when_it_is_whole(config: Any, dump: Any, tools: Tools) -> None:
    targets.restore_beside(config, dump, "side", "")
    assert tools.did("CREATE DATABASE side__partial WITH TEMPLATE = template0 LOCALE = 'C';")
    # Nobody but the superuser enters.
    assert tools.did("REVOKE ALL ON DATABASE side__partial FROM PUBLIC")
    assert "ALTER DATABASE side__partial RENAME TO side" in changes(tools)[-1]
    assert tools.did("--dbname=shop") == []


def test_half_a_side_database_is_removed(config: Any, dump: Any, tools: Tools) -> None:
    tools.fails = "--dbname=side__partial"
    with pytest.raises(files.JobError, match="the tool's own words"):
        targets.restore_beside(config, dump, "side", "")
    assert "DROP DATABASE IF EXISTS side__partial WITH (FORCE)" in changes(tools)[-1]
    assert tools.did("RENAME") == []


def test_of_one_table_come_its_partitions_rows_and_nothing_that_needs_other_rows(
    config: Any, dump: Any, tools: Tools
) -> None:
    targets.restore_beside(config, dump, "side", "public.visits")
    # What is counted before is what is restored.
    counted, chosen = tools.written
    assert counted == chosen
    assert [line.split(";")[0] for line in chosen.splitlines() if line[:1].isdigit()] == [
        *("215", "216", "217", "300", "301", "303", "400", "403")
    ]
    assert [path.name for path in Path(config.dump_dir).iterdir()] == [NAME]


@pytest.mark.parametrize(
    ("answers", "words", "said"),
    [
        ({"relkind": "7"}, "shop globals.sql", "shop holds 7 tables, an empty cluster is wanted"),
        ({}, "other globals.sql", "is of other, this cluster serves shop"),
        ({}, "shop", "no globals lie beside"),
        ({"pg_is_in_recovery": "t"}, "shop globals.sql", "db1 is a replica"),
        ({"pg_database_size": str(2**62)}, "shop globals.sql", "make room there"),
    ],
)
def test_a_cluster_is_refused_before_anything_changes(
    dump: Any, tools: Tools, answers: dict[str, str], words: str, said: str
) -> None:
    tools.answers |= answers
    database, _, roles = words.partition(" ")
    strange = files.Dump(path=dump.path, database=database, major=17, tables=[])
    with pytest.raises(files.JobError, match=said):
        targets.restore_cluster(config_of(dump), strange, dump.path.with_name(roles) if roles else None)
    assert changes(tools) == []


@pytest.fixture
def roles(config: Any) -> Path:
    path = Path(config.dump_dir, "globals_20261129_020000.sql")
    path.write_text("CREATE ROLE clerk;\n", encoding="utf-8")
    return path


def test_an_empty_cluster_gets_a_database_with_all_that_is_its_own_once_it_is_whole(
    config: Any, dump: Any, tools: Tools, roles: Path
) -> None:
    targets.restore_cluster(config, dump, roles)
    _, own, script = tools.written
    assert own.splitlines() == OWN
    # Not the role of that name.
    assert re.findall(r"shop\w*", script) == ["shop__partial"] * 5 + ["shop"]
    for filled in ("pg_restore --exit-on-error", "vacuumdb"):
        assert ["--dbname=shop__partial" in words for words in tools.did(filled)] == [True]
    steps = ("--exit-on-error", "vacuumdb", "DROP DATABASE IF EXISTS shop WITH (FORCE)", "shop__partial RENAME TO shop")
    done = [step for words in tools.did("") for step in steps if step in words]
    assert done == list(steps)


@pytest.mark.parametrize("fails", ["pg_restore --exit-on-error", "vacuumdb", "RENAME"])
def test_half_a_database_never_has_its_name(config: Any, dump: Any, tools: Tools, roles: Path, fails: str) -> None:
    tools.fails = fails
    with pytest.raises(files.JobError, match="the tool's own words"):
        targets.restore_cluster(config, dump, roles)
    assert "DROP DATABASE IF EXISTS shop__partial WITH (FORCE)" in changes(tools)[-1]
    # What is named when it is whole, and nothing before.
    assert len(tools.did("DROP DATABASE IF EXISTS shop WITH")) == (fails == "RENAME")


def test_a_server_that_is_gone_hides_no_reason_and_the_next_run_removes_what_it_kept(
    config: Any, dump: Any, tools: Tools, roles: Path
) -> None:
    tools.fails, tools.fails_on = "pg_restore --exit-on-error", True
    with pytest.raises(files.JobError, match="the tool's own words"):
        targets.restore_cluster(config, dump, roles)
    tools.fails, tools.gone = "", False
    tools.calls.clear()
    targets.restore_cluster(config, dump, roles)
    assert "DROP DATABASE IF EXISTS shop__partial WITH (FORCE)" in changes(tools)[0]


def test_a_database_that_was_filled_meanwhile_is_left_alone(
    config: Any, dump: Any, tools: Tools, roles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "pg_restore", lambda *_: tools.answers.update({"relkind": "5"}))
    with pytest.raises(files.JobError, match="shop holds 5 tables"):
        targets.restore_cluster(config, dump, roles)
    assert tools.did("DROP DATABASE IF EXISTS shop WITH") == []
    assert "DROP DATABASE IF EXISTS shop__partial WITH (FORCE)" in changes(tools)[-1]


def test_a_schema_that_is_damaged_leaves_a_guess(config: Any, dump: Any, tmp_path: Path) -> None:
    Path(config.dump_dir, "schema_shop_20261129_020000.sql.gz").write_bytes(gzip.compress(b"")[:10] + b"\xff" * 30)
    assert files.took(config, dump, str(dump.path), tmp_path) == 0


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "compressed"])
def test_globals_leave_the_roles_alone_that_are_there(tmp_path: Path, tools: Tools, packed: bool) -> None:
    text = "CREATE ROLE owner;\nALTER ROLE owner WITH PASSWORD 'x';\nCREATE ROLE clerk;\nGRANT owner TO clerk;\n"
    path = tmp_path / ("globals.sql.gz" if packed else "globals.sql")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    (tmp_path / "work").mkdir()
    seen: list[str] = []

    def run(argv: Sequence[str], *, environment: dict[str, str]) -> str:
        [file] = [word.partition("=")[2] for word in argv if word.startswith("--file=")] or [""]
        seen.extend([Path(file).read_text(encoding="utf-8"), environment["PGOPTIONS"]] if file else [])
        return tools(argv)

    files.run_tool = run  # the fixture puts the real one back
    files.apply_globals([], path, tmp_path / "work")
    [text, options] = seen
    assert text == "CREATE ROLE clerk;\nGRANT owner TO clerk;\n"
    assert list((tmp_path / "work").iterdir()) == []
    # Killed halfway, it leaves no role without its password; and nothing keeps what the statements said.
    assert tools.did("--single-transaction")
    hidden = ["log_statement=none", "log_min_duration_statement=-1", "log_min_error_statement=panic"]
    for setting in (*hidden, "pgaudit.log=none", "pg_stat_statements.track=none"):
        assert f"-c {setting}" in options


def test_the_globals_of_the_same_run_are_taken(config: Any, dump: Any, tmp_path: Path) -> None:
    assert files.globals_of(config, dump.path, str(dump.path), "", tmp_path) is None
    beside = Path(config.dump_dir, "globals_20261129_020000.sql.gz")
    beside.touch()
    assert files.globals_of(config, dump.path, str(dump.path), "", tmp_path) == beside


def test_root_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert program.main(["verify", NAME]) == 1
    assert "started as root" in capsys.readouterr().err
