"""The physical layer: each repository gets its backup, and whatever can't be restored is told by name."""

import importlib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROLES = Path(__file__).parents[3] / "roles"
sys.path += [str(ROLES / "job_runner/files"), str(ROLES / "backup_cron/files")]

physical = importlib.import_module("freelance_physical")

SEGMENT = "17-2/0000000100000000/000000010000000000000001-ba9417c9d7a5b4fdf17f7a907ca42c507a7634a2.zst"
WHOLE = "stanza: main\nstatus: ok\n"


def wal(timeline: int, first: int, last: int) -> set[str]:
    """Name the segments of a timeline from one place to another."""
    return {f"{timeline:08X}{place // 256:08X}{place % 256:08X}" for place in range(first, last + 1)}


class PgBackRest:
    """Stands in for pgBackRest: answers by its last word, fails where it is told to."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.verified: str | Exception = WHOLE
        self.fails_at = ""
        self.backups: list[dict[str, Any]] = []
        # Timeline 2 branched off in segment 34; what an upgrade left behind has no backup.
        self.held = {"16-1": wal(4, 9, 12), "17-2": wal(1, 1, 33) | wal(2, 34, 260)}
        self.late: set[str] = set()  # segments that come after the first look
        self.histories: dict[str, str | Exception] = {"00000002": "1\t0/22800000\tno recovery target specified\n"}

    def __call__(self, argv: Sequence[str], *, before: Sequence[str] = ()) -> str:
        self.calls.append([*before, *argv])
        if self.fails_at and self.fails_at in argv:
            raise physical.JobError("unreachable", 49)
        if argv[-1] == "verify":
            if isinstance(self.verified, Exception):
                raise self.verified
            return self.verified
        if "repo-get" in argv:
            name = argv[-1].removeprefix("archive/main/17-2/").removesuffix(".history")
            if isinstance(history := self.histories[name], Exception):
                raise history
            return history
        if argv[-2:] == ["repo-ls", "archive/main/17-2"]:
            return json.dumps({name: {} for name in [".", *(f"{timeline}.history" for timeline in self.histories)]})
        if "repo-ls" in argv:
            arrived = self.held | ({"17-2": self.held["17-2"] | self.late} if self.looks() > 1 else {})
            there = [f"{archive}/{name[:16]}/{name}{SEGMENT[46:]}" for archive in arrived for name in arrived[archive]]
            return json.dumps({name: {} for name in [".", "17-2/00000002.history", *there]})
        # Of one set alone, its files are told too.
        chosen = [one for one in self.backups if f"--set={one['label']}" in argv]
        told = [{name: value for name, value in one.items() if name != "error-list"} for one in self.backups]
        databases = [{"id": 1, "version": "16"}, {"id": 2, "version": "17"}]
        return json.dumps([{"db": databases, "backup": chosen or told}])

    def looks(self) -> int:
        """Count how often all archives were listed."""
        return sum("--recurse" in call for call in self.calls)


@pytest.fixture
def pgbackrest(monkeypatch: pytest.MonkeyPatch) -> PgBackRest:
    found = PgBackRest()
    found.backups = [backup("full", 100, wal(1, 2, 4)), backup("incr", 200, wal(2, 254, 257))]
    monkeypatch.setattr(physical, "run_tool", found)
    monkeypatch.setattr(physical, "ARRIVED_SECONDS_MAX", 0.1)
    monkeypatch.setattr(physical, "POLL_SECONDS", 0.01)
    return found


def backup(kind: str, start: int, own: set[str]) -> dict[str, Any]:
    archive = {"database": {"id": 2, "repo-key": 1}, "archive": {"start": min(own), "stop": max(own)}}
    sizes = {"info": {"repository": {"delta": start}}}
    return {"label": f"{start}F", "type": kind, "error": False, "timestamp": {"start": start}, **archive, **sizes}


def config(repositories: int = 1) -> Any:
    return SimpleNamespace(stanza="main", repositories=repositories)


def test_each_repository_gets_its_backup_also_when_the_first_is_gone(pgbackrest: PgBackRest) -> None:
    assert physical.back_up(config(2), "diff") == {"bytes": 400}
    pgbackrest.calls.clear()
    pgbackrest.fails_at = "--repo=1"
    with pytest.raises(physical.JobError, match="repository 1: unreachable") as caught:
        physical.back_up(config(2), "diff")
    assert caught.value.status == 49
    assert [*physical.GIVES_WAY, "pgbackrest", "--stanza=main", "--repo=2", "--type=diff", "backup"] in pgbackrest.calls


def test_a_backup_that_runs_elsewhere_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_tool(*_: Any, **__: Any) -> str:
        raise physical.JobError("unable to acquire lock on file '/tmp/pgbackrest/main-backup.lock'", 50)

    monkeypatch.setattr(physical, "run_tool", run_tool)
    with pytest.raises(physical.Postponed, match="unable to acquire lock"):
        physical.back_up(config(), "full")


def test_a_failure_is_told_though_another_repository_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_tool(argv: Sequence[str], **_: Any) -> str:
        if "--repo=1" in argv:
            raise physical.JobError("unable to acquire lock", 50)
        raise physical.JobError("unreachable", 49)

    monkeypatch.setattr(physical, "run_tool", run_tool)
    with pytest.raises(physical.JobError, match="repository 2: unreachable"):
        physical.back_up(config(2), "full")


@pytest.mark.parametrize(("count", "end"), [(2, "base/1/1"), (30, "base/1/19\n30 in all")])
def test_a_backup_of_broken_pages_has_failed_and_names_their_files(
    pgbackrest: PgBackRest, count: int, end: str
) -> None:
    files = [f"base/1/{number}" for number in range(count)]
    pgbackrest.backups[-1] |= {"error": True, "error-list": files}
    with pytest.raises(physical.JobError, match="repository 1: backup 200F holds pages") as caught:
        physical.back_up(config(), "incr")
    assert str(caught.value).endswith(end)


def test_a_whole_repository_is_verified(pgbackrest: PgBackRest) -> None:
    assert physical.verify(config()) == {"bytes": 300}
    assert pgbackrest.calls[0][2] == "--repo=1"


@pytest.mark.parametrize(
    ("found", "named"),
    [
        (f"P01   INFO: invalid checksum '{SEGMENT}'\nstatus: error", f"invalid checksum '{SEGMENT}'"),
        (f"P01   INFO: invalid result {SEGMENT}: [29] zlib\nstatus: error", f"invalid result {SEGMENT}"),
        ("P01   INFO: file missing '20261129-1F/pg_data/x'\nstatus: error", "file missing '20261129-1F/pg_data/x'"),
        ("status: error\nbackup: 1F, status: in-progress", "status: in-progress"),
        ("", "can't be restored"),
    ],
    ids=["checksum", "unreadable", "missing file", "another error", "no answer"],
)
def test_what_cannot_be_restored_is_named(pgbackrest: PgBackRest, found: str, named: str) -> None:
    pgbackrest.verified = found
    with pytest.raises(physical.JobError) as caught:
        physical.verify(config())
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("lost", "timeline", "around", "lacking"),
    [
        (wal(1, 23, 24), 1, (22, 25), []),
        (wal(2, 256, 256), 2, (255, 257), ["200F"]),
        (wal(1, 1, 2), 1, (1, 3), ["100F"]),
        (wal(2, 257, 260), 2, (256, 258), ["200F"]),
        (wal(1, 33, 33), 1, (32, 34), []),
        (wal(2, 34, 34), 2, (33, 35), []),
        (wal(1, 1, 33), 1, (1, 34), ["100F"]),
    ],
    ids=["between", "of a set", "the oldest", "the newest", "the last of a timeline", "the first of the next",
         "a whole timeline"],
)  # fmt: skip
def test_lost_wal_is_named_with_its_neighbours_and_the_sets_that_lack_it(
    pgbackrest: PgBackRest, lost: set[str], timeline: int, around: tuple[int, int], lacking: list[str]
) -> None:
    pgbackrest.held["17-2"] -= lost
    after, *missing, before = sorted(wal(timeline, *around))
    named = missing[0] if len(missing) == 1 else f"{missing[0]} to {missing[-1]}"
    said = f"17-2: WAL {named} is missing (after {after}, before {before})"
    sets = [f"backup {label} can't be restored: it lacks WAL of its own" for label in lacking]
    assert physical.gaps(config(), 1) == [said, *sets]
    with pytest.raises(physical.JobError, match=re.escape(said)):
        physical.verify(config())


def test_nothing_but_the_way_is_asked_of_timelines_that_were_left(pgbackrest: PgBackRest) -> None:
    # A restore to a time left the end of timeline 1 aside, and 3 took over from 2 within the segment of its beginning.
    pgbackrest.held["17-2"] = wal(1, 1, 90) | wal(3, 34, 60) | wal(4, 61, 99)
    pgbackrest.histories |= {"00000004": "1\t0/22800000\ta\n2\t0/22900000\tb\n\n3\t0/3D000000\tc\n", "00000003": ""}
    pgbackrest.backups[1] = backup("incr", 200, wal(4, 70, 71))
    assert physical.gaps(config(), 1) == []
    assert [call[-1] for call in pgbackrest.calls if "repo-get" in call] == ["archive/main/17-2/00000004.history"]
    # What was left aside doesn't stand for the end of the timeline that came between.
    pgbackrest.held["17-2"] -= wal(3, 60, 60)
    assert physical.gaps(config(), 1) == [
        "17-2: WAL 00000003000000000000003C is missing"
        " (after 00000003000000000000003B, before 00000003000000000000003D)"
    ]
    pgbackrest.held["17-2"] -= wal(3, 34, 60)
    assert physical.gaps(config(), 1) == [
        "17-2: WAL 000000030000000000000022 to 00000003000000000000003C is missing"
        " (after 000000030000000000000021, before 00000003000000000000003D)"
    ]


def test_what_was_let_go_with_older_sets_is_not_missing(pgbackrest: PgBackRest) -> None:
    # A restore to a time was taken back: timeline 3 branched off 1, which went with the sets before 2.
    pgbackrest.held["17-2"] = wal(2, 50, 60) | wal(3, 80, 90)
    pgbackrest.backups = [backup("full", 100, wal(2, 50, 51)), backup("full", 200, wal(3, 84, 84))]
    pgbackrest.histories = {"00000003": "1\t0/50000000\ta\n"}
    assert physical.gaps(config(), 1) == []


def test_a_timeline_without_its_history_is_named_also_when_a_later_one_tells_the_way(pgbackrest: PgBackRest) -> None:
    pgbackrest.held["17-2"] |= wal(3, 261, 270)
    pgbackrest.histories["00000003"] = "1\t0/22800000\ta\n\n2\t1/5000000\tb\n"
    assert physical.gaps(config(), 1) == []
    del pgbackrest.histories["00000002"]
    with pytest.raises(physical.JobError, match=r"17-2/00000002\.history is missing$"):
        physical.verify(config())
    pgbackrest.histories = {}
    assert physical.gaps(config(), 1) == ["17-2/00000003.history is missing", "17-2/00000002.history is missing"]


def test_a_history_that_cannot_be_read_is_named(pgbackrest: PgBackRest) -> None:
    pgbackrest.histories["00000002"] = physical.JobError("zlib threw error", 29)
    assert physical.gaps(config(), 1) == ["17-2/00000002.history: zlib threw error"]


def test_a_segment_that_came_after_the_one_behind_it_is_not_missing(pgbackrest: PgBackRest) -> None:
    pgbackrest.late = wal(1, 23, 23) | wal(2, 257, 257)
    pgbackrest.held["17-2"] -= pgbackrest.late
    assert physical.verify(config()) == {"bytes": 300}
    # A set is told of once its own WAL is there, so it is asked for first.
    asked = [call[-2:] for call in pgbackrest.calls]
    assert asked.index(["--output=json", "info"]) < asked.index(["repo-ls", "archive/main"])


def test_of_many_damaged_files_some_are_named_and_all_are_counted(pgbackrest: PgBackRest) -> None:
    pgbackrest.verified = "".join(f"P01   INFO: file missing '{number}'\n" for number in range(100))
    with pytest.raises(physical.JobError) as caught:
        physical.verify(config())
    assert str(caught.value).endswith("file missing '19'\n100 in all")


def test_what_ends_it_without_a_name_is_the_oldest_segment(pgbackrest: PgBackRest) -> None:
    pgbackrest.verified = physical.JobError("zlib threw error", 29)
    with pytest.raises(physical.JobError, match=SEGMENT) as caught:
        physical.verify(config())
    assert caught.value.status == 29


@pytest.mark.usefixtures("pgbackrest")
@pytest.mark.parametrize(
    ("job", "due", "held"),
    [("full", 99, True), ("full", 101, False), ("diff", 100, True), ("diff", 150, False), ("incr", 200, True),
     ("incr", 201, False), ("verify", 0, False), ("dump", 0, False)],
)  # fmt: skip
def test_a_backup_that_does_more_takes_the_place_of_a_missed_one(job: str, due: float, held: bool) -> None:
    assert physical.is_held(config(), job, due) is held


def test_a_repository_that_cannot_be_asked_holds_nothing(pgbackrest: PgBackRest) -> None:
    pgbackrest.fails_at = "--repo=2"
    assert not physical.is_held(config(2), "full", 0)
