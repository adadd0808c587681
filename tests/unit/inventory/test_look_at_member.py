"""What a restore sees on a member: whose data they are, and what an earlier try has left."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.loading import load

PATH = Path(__file__).resolve().parents[3] / "ansible/plugins/support/cluster_restore/look_at_member.py"


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return load(PATH)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "main"
    (folder / "global").mkdir(parents=True)
    return folder


def test_data_without_their_last_file_are_nobodys(module: ModuleType, data_dir: Path) -> None:
    assert module.identifier(data_dir) == ""
    (data_dir / "global/pg_control").write_bytes((7713517938436162327).to_bytes(8, "little") + b"\0" * 8)
    assert module.identifier(data_dir) == "7713517938436162327"


@pytest.mark.parametrize(("host", "began"), [("db1", True), ("db2", False)])
def test_a_note_counts_where_the_restore_began(
    module: ModuleType, data_dir: Path, monkeypatch: pytest.MonkeyPatch, host: str, began: bool
) -> None:
    monkeypatch.setattr(module, "PATRONI", data_dir / "absent")
    monkeypatch.setattr(module, "run", lambda *_: (0, "f"))
    assert module.main(host, data_dir, data_dir)["began_here"] is False
    (data_dir.parent / "restore.json").write_text(json.dumps({"host": "db1"}), encoding="utf-8")
    seen = module.main(host, data_dir, data_dir / "wal")
    assert (seen["began_here"], seen["leads"], seen["state"]) == (began, True, {"host": "db1"})
    assert seen["wal_free_bytes"] > 0


def test_a_silent_etcd_is_told_in_its_last_words(
    module: ModuleType, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATRONI", data_dir)
    monkeypatch.setattr(module, "run", lambda *_: (1, "first\nno answer"))
    seen = module.main("db1", data_dir, data_dir)
    assert (seen["etcd_problem"], seen["leads"], seen["identifier"]) == ("no answer", False, "")


def test_data_are_told_apart_from_what_etcd_keeps(
    module: ModuleType, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATRONI", data_dir)
    monkeypatch.setattr(module, "run", lambda *_: (0, "+ Cluster: lab-main (77) ---+"))
    seen = module.main("db1", data_dir, data_dir)
    assert (seen["identifier"], seen["holds_data"]) == ("77", False)
    (data_dir / "global/pg_control").write_bytes((78).to_bytes(8, "little"))
    seen = module.main("db1", data_dir, data_dir)
    assert (seen["identifier"], seen["holds_data"]) == ("78", True)


def test_what_is_overwritten_makes_room(
    module: ModuleType, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wal_dir = tmp_path / "wal"
    wal_dir.mkdir()
    (data_dir / "pg_wal").symlink_to(wal_dir)
    (data_dir / "global/1262").write_bytes(b"x" * 8192)
    (data_dir / "PG_VERSION").write_bytes(b"x" * 4096)
    (wal_dir / "000000010000000000000001").write_bytes(b"x" * 65536)
    monkeypatch.setattr(module, "PATRONI", data_dir / "absent")
    monkeypatch.setattr(module, "run", lambda *_: (0, "f"))
    monkeypatch.setattr(module, "free_bytes", lambda _: 5)
    seen = module.main("db1", data_dir, wal_dir)
    assert (seen["free_bytes"], seen["wal_free_bytes"]) == (5, 5)
    assert (seen["room_bytes"], seen["wal_room_bytes"]) == (5 + 8192 + 4096, 5 + 65536)
    assert module.used_bytes(tmp_path / "absent") == 0
    # A server that runs removes files meanwhile.
    monkeypatch.setattr(module.os, "walk", lambda _: [(str(data_dir), [], ["PG_VERSION", "gone"])])
    assert module.used_bytes(data_dir) == 4096
