"""The drill's decisions: what it restores, when it refuses to begin, and what of the outcome it believes."""

import dataclasses
import hashlib
import importlib
import json
import signal
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROLES = Path(__file__).parents[3] / "roles"
sys.path += [str(ROLES / "job_runner/files"), str(ROLES / "backup_cron/files")]

drill = importlib.import_module("freelance_drill")
markers = importlib.import_module("freelance_markers")
Usage = namedtuple("Usage", "total used free")


def marker(number: int, at: float = 0, segment: str = "") -> Any:
    epoch, segment = f"{at or number * 100:.6f}", segment or f"0000000100000000{number:08X}"
    checksum = hashlib.sha256(f"{epoch} {segment}".encode()).hexdigest()
    return markers.Marker(id=number, epoch=epoch, written_at=f"at {epoch}", segment=segment, checksum=checksum)


def stanza(*stops: int, newest: str = "000000010000000000000009", error: bool = False) -> dict[str, Any]:
    backups = [
        {"label": f"set-{stop}", "error": error, "timestamp": {"stop": stop}, "info": {"size": 1000}} for stop in stops
    ]
    archive = [{"database": {"id": 1}, "max": "F" * 24}, {"database": {"id": 2}, "max": newest}]
    return {"backup": backups, "archive": archive}


@pytest.fixture
def config(tmp_path: Path) -> Any:
    (tmp_path / "scratch").mkdir()
    return SimpleNamespace(
        stanza="main",
        databases=["shop"],
        dump_role="backup",
        socket_dir="/run/postgresql",
        port=5432,
        status_dir=str(tmp_path),
        repositories=2,
        drill={
            "compare_query": "",
            "application": {"command": [], "environment": {}, "role": ""},
            "scratch_dir": str(tmp_path / "scratch"),
            "timeout_seconds": 60,
            "wal_room_mib": 64,
            "days_max": 8,
        },
    )


def told(config: Any) -> dict[str, Any]:
    return dict(json.loads((Path(config.status_dir) / drill.RECORD).read_text(encoding="utf-8")))


def test_the_newest_set_from_before_the_newest_marker_is_chosen(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill, "held", lambda *_: stanza(100, 250, 300, 301))
    target, backup, newest = drill.choose(config, 1, [marker(2), marker(3)])
    assert (target.id, backup["label"], newest[-1]) == (3, "set-250", "9")


def test_markers_that_are_written_no_more_are_told() -> None:
    drill.refuse_old([])
    with pytest.raises(drill.JobError, match=r"at most 3600: .*journalctl"):
        drill.refuse_old([marker(2), marker(3)])


def test_a_folder_with_something_else_in_it_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "17").mkdir()
    scratch = drill.Scratch(tmp_path, stanza="main", repository=1, timeout_seconds=1)
    with pytest.raises(drill.JobError, match="holds 17, which no drill made"):
        scratch.clear()
    assert (tmp_path / "17").is_dir()


def test_a_marker_on_an_older_timeline_is_archived_too(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill, "held", lambda *_: stanza(100, newest="000000030000000000000004"))
    assert drill.choose(config, 1, [marker(3), marker(4, segment="000000010000000000000004")])[0].id == 4


@pytest.mark.parametrize(
    ("held", "rows", "reason"),
    [
        (stanza(100), [], "no marker row yet: `freelance-backup marker`"),
        (stanza(100), [marker(3)], "no marker row before the newest one yet: `freelance-backup marker`"),
        (stanza(100, newest=""), [marker(2), marker(3)], "the archive ends with nothing: see pg_stat_archiver"),
        (
            stanza(100, newest="000000010000000000000002"),
            [marker(2), marker(3)],
            "000000010000000000000003 with the newest marker",
        ),
        (stanza(), [marker(2), marker(3)], "no backup ended before the newest marker"),
        (stanza(300), [marker(2), marker(3)], "no backup ended before the newest marker"),
        (stanza(100, error=True), [marker(2), marker(3)], "no backup ended before the newest marker"),
    ],
)
def test_what_there_is_nothing_to_rehearse_with_is_told(
    config: Any, monkeypatch: pytest.MonkeyPatch, held: Any, rows: list[Any], reason: str
) -> None:
    monkeypatch.setattr(drill, "held", lambda *_: held)
    monkeypatch.setattr(drill, "ARCHIVED_SECONDS_MAX", -1)
    with pytest.raises(drill.JobError, match=reason):
        drill.choose(config, 1, rows)


def test_a_volume_that_would_fill_up_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill.shutil, "disk_usage", lambda _: Usage(10_000, 0, 3_000))
    drill.refuse_without_room(tmp_path, 1_500, 500)
    with pytest.raises(drill.JobError, match=r"3000 bytes free, 3001 wanted .*backup_cron_drill_scratch_dir"):
        drill.refuse_without_room(tmp_path, 1_501, 500)


rows = st.integers(2, 20).map(lambda count: [marker(number) for number in range(1, count + 1)])


@given(rows, st.data())
def test_all_markers_before_the_target_and_none_after_it_are_believed(live: list[Any], data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(live))
    before = [one for one in live if one.id < target.id]
    assert drill.compare(live, before, target) == len(before)
    # A row that the live cluster has forgotten since is none of its business.
    assert drill.compare(live[1:], before, target) == len(before[1:])
    with pytest.raises(drill.JobError, match=rf"written at or after .* were restored: \[{target.id}\]"):
        drill.compare(live, [*before, target], target)
    if before:
        lost = data.draw(st.sampled_from(before))
        with pytest.raises(drill.JobError, match=rf"are missing after the restore: \[{lost.id}\]"):
            drill.compare(live, [one for one in before if one != lost], target)


@pytest.mark.parametrize("field", ["epoch", "segment", "checksum"])
def test_a_marker_that_says_something_else_is_told(field: str) -> None:
    live = [marker(1), marker(2), marker(3)]
    altered = dataclasses.replace(live[0], **{field: "5"})
    with pytest.raises(drill.JobError, match=r"differ .*: \[1\]"):
        drill.compare(live, [altered, live[1]], live[2])
    # Nor when both sides say the same wrong thing.
    with pytest.raises(drill.JobError, match=r"differ .*: \[1\]"):
        drill.compare([altered, *live[1:]], [altered, live[1]], live[2])


class Rows:
    """Stands in for a server."""

    def __init__(self, *rows: str) -> None:
        self.rows, self.asked = rows, ""

    def ask(self, query: str, database: str, user: str) -> str:
        self.asked = f"{user}, {database}: {query}"
        return "\n".join(self.rows)


def test_rows_that_differ_at_the_target_are_told(config: Any) -> None:
    live, restored = Rows("a|1", "b|2"), Rows("b|2", "a|1")
    assert drill.compare_rows(config, live, restored, "noon", ["shop"]) == {}
    config.drill["compare_query"] = "SELECT x WHERE t < '{target}'"
    assert drill.compare_rows(config, live, restored, "noon", ["shop"]) == {"shop": 2}
    assert live.asked == restored.asked == "backup, shop: SELECT x WHERE t < 'noon'"
    with pytest.raises(drill.JobError, match=r"shop: SELECT .* differ: \['b\|2'\]"):
        drill.compare_rows(config, live, Rows("a|1"), "noon", ["shop"])


def test_the_applications_role_reads_besides_who_dumps(config: Any) -> None:
    assert drill.readers(config) == ["backup"]
    config.drill["application"] = {"command": ["check"], "environment": {}, "role": "shopkeeper"}
    assert drill.readers(config) == ["backup", "shopkeeper"]


class AtTheTarget:
    """Stands in for the private server, up to what the application says there."""

    socket = live = None

    def start(self, target_time: str) -> None:
        """It is there."""

    def wait_until(self, question: str) -> None:
        """It is so."""

    def checked_by(self, application: Any) -> str:
        return f"asked {application['role']}"

    def stop(self) -> None:
        raise drill.JobError("enough")


@pytest.mark.parametrize(
    ("application", "told_of"),
    [({"command": [], "role": ""}, "left out: "), ({"command": ["x"], "role": "shopkeeper"}, "asked shopkeeper")],
)
def test_the_record_says_what_the_application_found_or_that_there_is_none(
    config: Any, monkeypatch: pytest.MonkeyPatch, application: dict[str, Any], told_of: str
) -> None:
    monkeypatch.setattr(drill, "read_markers", lambda _: [marker(2)])
    config.drill["application"] = application
    record: dict[str, Any] = {"checks": {}, "restore_seconds": 1}
    with pytest.raises(drill.JobError, match="enough"):
        drill.look(config, AtTheTarget(), marker(3), [marker(2), marker(3)], record)
    assert record["checks"]["application"].startswith(told_of)


class ToTheEnd(AtTheTarget):
    """Goes on to the archive's end, whose last commit is of second 100; meanwhile the live cluster takes more."""

    live_seconds = 100.0

    def stop(self) -> None:
        """It is stopped."""

    def wait_until(self, question: str) -> None:
        if question == "NOT pg_is_in_recovery()":
            self.live_seconds = 107.5

    def replayed_to(self) -> tuple[str, float, str]:
        return "then", 100.0, "0000000000000005"

    def amcheck(self, databases: Any) -> None:
        """All is well."""


def test_what_a_disaster_at_the_end_of_the_replay_would_have_cost_is_told(
    config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ToTheEnd()
    monkeypatch.setattr(drill, "live_committed_seconds", lambda *_: server.live_seconds)
    monkeypatch.setattr(drill, "read_markers", lambda _: [marker(2)])
    monkeypatch.setattr(drill, "compare", lambda *_: 1)
    record: dict[str, Any] = {"checks": {}, "restore_seconds": 1, "archive_end": "000000010000000000000005"}
    drill.look(config, server, marker(2), [marker(2)], record)
    assert record["rpo_seconds"] == 7.5


@pytest.mark.parametrize(
    ("recovers", "live_next", "seconds"), [("t", "0", 90.0), ("f", "727", 100.0), ("f", "726", 0.0), ("f", "725", 0.0)]
)
def test_an_idle_leader_would_have_lost_nothing(
    monkeypatch: pytest.MonkeyPatch, recovers: str, live_next: str, seconds: float
) -> None:
    monkeypatch.setattr(drill.time, "time", lambda: 100.0)
    answers = {"SELECT pg_is_in_recovery()": recovers, drill.NEXT_TRANSACTION: live_next}
    live = SimpleNamespace(ask=lambda query: answers.get(query, "90.0"))
    assert drill.live_committed_seconds(live, SimpleNamespace(ask={drill.NEXT_TRANSACTION: "726"}.get)) == seconds


def test_repositories_take_turns(config: Any) -> None:
    assert drill.next_repository(config) == 1
    path = Path(config.status_dir) / drill.RECORD
    for last, turn in ((1, 2), (2, 1), (3, 2)):
        path.write_text(json.dumps({"repository": last}), encoding="utf-8")
        assert drill.next_repository(config) == turn
    for broken in ("", "[]", "{}", '{"repository": null}'):
        path.write_text(broken, encoding="utf-8")
        assert drill.next_repository(config) == 1


def test_a_good_drill_leaves_its_record_and_its_figures(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def perform(_: Any, record: dict[str, Any]) -> None:
        record |= {"rto_seconds": 2.5, "rpo_seconds": 0.5, "bytes": 10, "bytes_per_second": 4}

    monkeypatch.setattr(drill, "perform", perform)
    assert drill.rehearse(config) == {
        "drill_rto_seconds": 2.5,
        "drill_rpo_seconds": 0.5,
        "drill_bytes": 10.0,
        "drill_bytes_per_second": 4.0,
        "drill_days_max": 8,
    }
    assert (told(config)["ok"], told(config)["reason"], told(config)["repository"]) == (True, "", 1)
    assert told(config)["finished"].endswith("+00:00")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(drill.JobError("page 3 is damaged"), "page 3 is damaged"), (OSError("disk full"), "OSError: disk full")],
)
def test_a_failed_drill_leaves_its_record_too(
    config: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def perform(_: Any, record: dict[str, Any]) -> None:
        record["backup_label"] = "set-1"
        raise error

    monkeypatch.setattr(drill, "perform", perform)
    with pytest.raises(type(error)):
        drill.rehearse(config)
    assert (told(config)["ok"], told(config)["reason"], told(config)["backup_label"]) == (False, reason, "set-1")


def test_a_drill_that_is_told_to_end_says_so(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill, "perform", lambda *_: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(drill.JobError, match="stopped by signal 15"):
        drill.rehearse(config)
    assert told(config)["reason"] == "stopped by signal 15"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_damaged_set_is_told_with_its_files_and_what_was_restored_goes(
    config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restore(scratch: Any, _: str) -> None:
        (scratch.folder / "data").mkdir()
        raise drill.JobError("pgbackrest ended with exit status 29", 29)

    monkeypatch.setattr(drill, "read_markers", lambda _: [marker(2), marker(3)])
    monkeypatch.setattr(drill, "held", lambda *_: stanza(100))
    monkeypatch.setattr(drill, "refuse_without_room", lambda *_: None)
    monkeypatch.setattr(drill, "refuse_old", lambda _: None)
    monkeypatch.setattr(drill.Scratch, "restore", restore)
    monkeypatch.setattr(drill, "named_damage", lambda *_: ["invalid checksum 'set-100/pg_data/base/1/2'"])
    with pytest.raises(drill.JobError, match=r"exit status 29\ninvalid checksum .*base/1/2") as caught:
        drill.rehearse(config)
    assert caught.value.status == 29
    assert list(Path(config.drill["scratch_dir"]).iterdir()) == []
