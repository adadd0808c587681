"""What a stopped member has not archived yet goes to the repository; what can't go is told."""

import struct
from itertools import count
from pathlib import Path
from types import ModuleType
from unittest.mock import ANY, Mock, call

import pytest

from tests.loading import load

PATH = Path(__file__).resolve().parents[3] / "ansible/plugins/support/cluster_restore/archive_what_waits.py"
FIRST, SECOND = "000000020000000000000004", "000000020000000000000005"
SHUT_DOWN, IN_RECOVERY, IN_PRODUCTION = 1, 5, 6
WELL = {"torn": False, "failed": False, "problem": ""}


@pytest.fixture
def module() -> ModuleType:
    return load(PATH)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "main"
    (folder / "global").mkdir(parents=True)
    (folder / "pg_wal/archive_status").mkdir(parents=True)
    for name in (SECOND, "00000002.history", FIRST):
        (folder / "pg_wal" / name).touch()
        (folder / f"pg_wal/archive_status/{name}.ready").touch()
    # Archived, and one whose file is gone.
    (folder / "pg_wal/archive_status/000000020000000000000003.done").touch()
    (folder / "pg_wal/archive_status/000000010000000000000001.ready").touch()
    control(folder, SHUT_DOWN)
    return folder


def control(data_dir: Path, state: int) -> None:
    (data_dir / "global/pg_control").write_bytes(struct.pack("=QIII", 77, 1700, 202406281, state) + b"\0" * 8)


def more_waiting(data_dir: Path, segments: int) -> list[str]:
    """Names of so many segments more that wait, behind the others."""
    names = [f"0000000200000000000000{number:02X}" for number in range(0x06, 0x06 + segments)]
    for name in names:
        (data_dir / f"pg_wal/{name}").touch()
        (data_dir / f"pg_wal/archive_status/{name}.ready").touch()
    return names


def test_a_history_goes_before_the_segments_and_these_in_their_order(
    module: ModuleType, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = Mock(return_value="")
    monkeypatch.setattr(module, "push", push)
    assert module.main("db1", "main", data_dir, 2) == {"waits": SECOND, **WELL}
    names = ("00000002.history", FIRST, SECOND)
    assert push.mock_calls == [call("main", data_dir / "pg_wal" / name, ANY) for name in names]
    # Run again, it passes over what was taken.
    assert module.main("db1", "main", data_dir, 2) == {"waits": "", **WELL}
    assert (data_dir / f"pg_wal/archive_status/{SECOND}.done").exists()


def test_one_that_a_server_archives_meanwhile_is_done(
    module: ModuleType, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def push(_: str, path: Path, __: float) -> str:
        ready = data_dir / f"pg_wal/archive_status/{path.name}.ready"
        ready.rename(ready.with_suffix(".done"))
        return ""

    monkeypatch.setattr(module, "push", push)
    assert module.main("db1", "main", data_dir, 2) == {"waits": SECOND, **WELL}


def test_one_that_does_not_go_is_told_and_the_others_are_tried(
    module: ModuleType, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = Mock(side_effect=["no room", "", ""])
    monkeypatch.setattr(module, "push", push)
    seen = module.main("db1", "main", data_dir, 2)
    problem = "db1: 00000002.history could not be archived: no room."
    assert (seen["waits"], seen["failed"], seen["problem"], push.call_count) == (SECOND, True, problem, 3)


def test_where_one_repository_refuses_at_once_the_newest_still_comes_to_the_other(
    module: ModuleType, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = more_waiting(data_dir, 30)[-1]
    push = Mock(return_value="repo1: 403 (Forbidden)")
    monkeypatch.setattr(module, "push", push)
    seen = module.main("db1", "main", data_dir, 2)
    assert (seen["waits"], push.call_count, push.call_args.args[1].name) == (newest, 33, newest)
    told = [f"{name} could not be archived: repo1: 403 (Forbidden)" for name in ("00000002.history", newest)]
    assert seen["problem"] == f"db1: {'. '.join(told)}."


def test_where_nothing_is_answered_only_the_newest_of_the_rest_is_tried(
    module: ModuleType, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [newest] = more_waiting(data_dir, 1)
    push = Mock(return_value="no answer")
    monkeypatch.setattr(module, "push", push)
    # Each try takes 200 seconds.
    monkeypatch.setattr(module, "time", Mock(monotonic=Mock(side_effect=count(0, 200))))
    seen = module.main("db1", "main", data_dir, 2)
    assert (seen["waits"], seen["failed"]) == (newest, True)
    # A try has a minute in any case: another repository may take it.
    assert [limit for _, _, limit in (call.args for call in push.mock_calls)] == [300, 100, 60]
    assert push.call_args.args[1].name == newest
    assert seen["problem"].endswith(f"no answer. 1 files were not tried. {newest} could not be archived: no answer.")


def test_a_single_repository_that_takes_none_of_two_is_asked_for_the_newest_alone(
    module: ModuleType, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = more_waiting(data_dir, 10)
    push = Mock(return_value="no answer")
    monkeypatch.setattr(module, "push", push)
    seen = module.main("db1", "main", data_dir, 1)
    asked = [path.name for _, path, _ in (call.args for call in push.mock_calls)]
    assert asked == ["00000002.history", FIRST, names[-1]]
    assert (seen["waits"], "10 files were not tried" in seen["problem"]) == (names[-1], True)


def test_a_single_repository_that_takes_the_newest_is_asked_for_the_others(
    module: ModuleType, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = more_waiting(data_dir, 10)
    refused = ("00000002.history", FIRST, SECOND)
    monkeypatch.setattr(module, "push", lambda _, path, __: "another file" if path.name in refused else "")
    seen = module.main("db1", "main", data_dir, 1)
    assert (seen["waits"], seen["failed"], "not tried" in seen["problem"]) == (names[-1], True, False)
    assert {path.stem for path in (data_dir / "pg_wal/archive_status").glob("*.ready")} - {
        "000000010000000000000001"
    } == set(refused)


@pytest.mark.parametrize(("locked", "said"), [(3, ""), (100, "[103]: repo1: [LockAcquireError]")])
def test_another_host_that_archives_is_waited_for(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, locked: int, said: str
) -> None:
    answers = [Mock(returncode=103, stdout=b"", stderr=b"[103]: repo1: [LockAcquireError]")] * locked
    run = Mock(side_effect=[*answers, Mock(returncode=0, stdout=b"", stderr=b"")])
    monkeypatch.setattr(module.subprocess, "run", run)
    monkeypatch.setattr(module, "time", Mock(monotonic=Mock(side_effect=count())))
    assert module.push("main", Path(FIRST), 300) == said
    assert run.call_count == min(locked, 60) + 1 - bool(said)


@pytest.mark.parametrize(("state", "torn"), [(SHUT_DOWN, False), (IN_RECOVERY, False), (IN_PRODUCTION, True)])
def test_a_leader_that_was_not_shut_down_has_an_end_that_no_archive_holds(
    module: ModuleType, data_dir: Path, monkeypatch: pytest.MonkeyPatch, state: int, torn: bool
) -> None:
    monkeypatch.setattr(module, "push", lambda *_: "")
    control(data_dir, state)
    seen = module.main("db1", "main", data_dir, 2)
    assert (seen["torn"], "was not shut down" in seen["problem"]) == (torn, torn)


def test_a_host_without_data_has_nothing(module: ModuleType, tmp_path: Path) -> None:
    assert module.main("db1", "main", tmp_path / "none", 1) == {"waits": "", **WELL}
