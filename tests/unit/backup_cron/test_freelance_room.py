"""The room that a dump wants: for a whole database, for one table, for WAL, and what comes free before."""

import contextlib
import dataclasses
import functools
import gzip
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.backup_cron.test_freelance_restore import NAME, Tools, changes, config_of, files, made_config, targets


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tools:
    found = Tools()
    (tmp_path / "data/pg_wal").mkdir(parents=True)
    found.answers["data_directory"] = str(tmp_path / "data")
    for module in (files, targets):
        monkeypatch.setattr(module, "run_tool", found)
    monkeypatch.setattr(files, "streamed", found.stream)
    return found


@pytest.fixture
def dump(tmp_path: Path, tools: Tools) -> Any:
    assert tools.calls == []
    (tmp_path / "dumps").mkdir()
    path = tmp_path / "dumps" / NAME
    path.write_bytes(b"PGDMP")
    return files.Dump(path=path, database="shop", major=17, tables=["public.visits", "public.goods"])


@pytest.fixture
def roles(dump: Any) -> Path:
    path: Path = dump.path.with_name("globals_20261129_020000.sql")
    path.write_text("CREATE ROLE clerk;\n", encoding="utf-8")
    return path


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Bytes that are free, by the name of a folder; elsewhere there are many."""
    found: dict[str, int] = {}
    monkeypatch.setattr(files, "SPARE_BYTES", 0)
    monkeypatch.setattr(
        files.shutil, "disk_usage", lambda path: SimpleNamespace(free=found.get(path.name, 2**40), total=10_000)
    )
    return found


@pytest.fixture(params=["side__partial", "shop__partial"])
def killed(request: pytest.FixtureRequest, dump: Any, roles: Path) -> tuple[str, Callable[..., Any]]:
    """The half that a killed restore has left, and the restore."""
    if request.param == "side__partial":
        return request.param, functools.partial(targets.restore_beside, config_of(dump), dump, "side", "")
    return request.param, functools.partial(targets.restore_cluster, config_of(dump), dump, roles)


@pytest.mark.parametrize(
    ("took", "data", "refused"),
    [
        # 1000 bytes here; what was written down counts, and the tenth that an index takes while it is sorted.
        (10_000, 10_999, "10999 bytes free, 11000 wanted .a tenth more than the 10000 that were dumped"),
        (10_000, 11_000, ""),
        (500, 550, ""),
        (0, 999, "999 bytes free, 1000 wanted .the larger of its size here, 1000, and 8 times the dump"),
        (0, 1000, ""),
    ],
)
@pytest.mark.usefixtures("tools")
def test_the_room_for_a_database_is_what_it_took_when_it_was_dumped(
    dump: Any, free: dict[str, int], took: int, data: int, refused: str
) -> None:
    folder, line = dump.path.parent, files.TOOK.format(took) if took else ""
    schema = f"-- The database took 5 bytes.\nSELECT 1;\n{line}" if took else ""
    (folder / "schema_shop_20261129_020000.sql.gz").write_bytes(gzip.compress(schema.encode()))
    config = made_config(folder)
    sized = dataclasses.replace(dump, took_bytes=files.took(config, dump, NAME, folder))
    assert sized.took_bytes == took
    free |= {"data": data, "dumps": data}
    with pytest.raises(files.JobError, match=refused) if refused else contextlib.nullcontext():
        files.refuse_without_room(config, sized, folder / "data")
    # Where it is verified a tenth of the volume is left to the live server.
    with pytest.raises(files.JobError, match=r"and 1000 to spare\): make room there, or .*backup_cron_scratch_dir"):
        files.refuse_without_room(config, sized, folder)


@pytest.mark.parametrize(
    ("sizes", "refused"),
    [
        # 1000 bytes in 10 rows, each of which takes 60 more, and all of it again for indexes.
        (("0", 0, 3199), "3199 bytes free, 3200 wanted .the larger of its size here, 0, and 3200 for its rows in"),
        (("0", 1_000_000, 3200), ""),
        (("8192", 0, 8192), ""),
        (("1000", 0, 3199), "3199 bytes free, 3200 wanted"),
        (("5000", 0, 4999), "4999 bytes free, 5000 wanted .the larger of its size here, 5000, and"),
        # The table was in what was dumped.
        (("5000", 4000, 4399), "4399 bytes free, 4400 wanted .a tenth more than the 4000 that were dumped"),
        (("5000", 4000, 4400), ""),
    ],
    ids=["gone", "gone of much", "small", "emptied", "as it was", "grown", "grown, with room"],
)
def test_the_room_for_one_table_is_what_its_rows_in_the_dump_take(
    dump: Any, tools: Tools, free: dict[str, int], sizes: tuple[str, int, int], refused: str
) -> None:
    here, took, free["data"] = sizes
    tools.answers |= {"pg_total_relation_size": here, "pg_database_size": "1000000"}
    tools.rows = [b"1\tone\n" * 9, b"2\t" + b"x" * 943, b"\n"]
    sized, data = dataclasses.replace(dump, took_bytes=took), dump.path.parent / "data"
    with pytest.raises(files.JobError, match=refused) if refused else contextlib.nullcontext():
        files.refuse_without_room(config_of(dump), sized, data, "public.visits")
    assert tools.did("pg_restore --section=data --use-list=")
    # Of its partition, and of no other table: also where no server knows any more what belonged to it.
    assert ["TABLE DATA public visits_low" in chosen for chosen in tools.written] == [True]
    assert "TABLE DATA public goods" not in "".join(tools.written)


@pytest.mark.parametrize("kept", [2**30, 999], ids=["too little", "enough"])
def test_a_restore_is_refused_where_its_wal_has_no_room(
    dump: Any, tools: Tools, roles: Path, free: dict[str, int], kept: int
) -> None:
    free["pg_wal"] = 999  # what is restored takes 1000 bytes
    tools.answers |= {"max_wal_size": str(kept)}
    for restore, words in ((targets.restore_beside, ("side", "")), (targets.restore_cluster, (roles,))):
        expected = pytest.raises(files.JobError, match="pg_wal: 999 bytes free, 1000 wanted")
        with expected if kept > free["pg_wal"] else contextlib.nullcontext():
            restore(config_of(dump), dump, *words, check=True)
    assert changes(tools) == []


def test_what_a_killed_run_left_makes_room_before_that_is_looked_at(
    tools: Tools, killed: tuple[str, Callable[..., Any]]
) -> None:
    half, restore = killed
    tools.answers |= {f"datname = '{half}'": "1", "pg_database_size": str(2**62)}
    with pytest.raises(files.JobError, match="make room there"):
        restore()
    [only] = changes(tools)
    assert f"DROP DATABASE IF EXISTS {half} WITH (FORCE)" in only


@pytest.mark.parametrize("left", [699, 700], ids=["too little", "enough"])
def test_a_check_counts_on_what_a_killed_run_left(
    tools: Tools, killed: tuple[str, Callable[..., Any]], free: dict[str, int], left: int
) -> None:
    half, restore = killed
    free["data"] = 300  # what is restored takes 1000 bytes
    tools.answers = {f"datname = '{half}'": "1", f"pg_database_size('{half}')": str(left), **tools.answers}
    refused = pytest.raises(files.JobError, match=f"/data: {300 + left} bytes free, 1000 wanted")
    with refused if left < 700 else contextlib.nullcontext():
        restore(check=True)
    assert changes(tools) == []
