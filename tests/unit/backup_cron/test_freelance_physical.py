"""The physical layer: each repository gets its backup, and whatever can't be restored is told by name."""

import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROLES = Path(__file__).parents[3] / "roles"
sys.path += [str(ROLES / "job_runner/files"), str(ROLES / "backup_cron/files")]

physical = importlib.import_module("freelance_physical")

SEGMENT = "17-1/0000000100000000/000000010000000000000003-ba9417c9d7a5b4fdf17f7a907ca42c507a7634a2.zst"
WHOLE = """\
P00 DETAIL: archiveId: 17-1, wal start: 000000010000000000000001, wal stop: 000000010000000000000022
P00 DETAIL: archiveId: 17-1, wal start: 000000020000000000000022, wal stop: 000000020000000000000030
P00 DETAIL: archiveId: 18-2, wal start: 000000020000000000000042, wal stop: 000000020000000000000050
stanza: main
status: ok
"""
# Segment 23 is not there.
GAP = WHOLE.replace("wal start: 000000020000000000000022", "wal start: 000000010000000000000024")


class PgBackRest:
    """Stands in for pgBackRest: answers by its last word, fails where it is told to."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.verified: str | Exception = WHOLE
        self.fails_at = ""
        self.backups: list[dict[str, Any]] = []
        self.late: list[str] = []  # segments that come after the first look

    def __call__(self, argv: Sequence[str]) -> str:
        self.calls.append(list(argv))
        if self.fails_at and self.fails_at in argv:
            raise physical.JobError("unreachable", 49)
        if argv[-1] == "verify":
            if isinstance(self.verified, Exception):
                raise self.verified
            return self.verified
        if "repo-ls" in argv:
            there: dict[str, Any] = {".": {}, SEGMENT.replace("3-", "4-"): {}, SEGMENT: {}, "17-1/00000002.history": {}}
            if sum("repo-ls" in call for call in self.calls) > 1:
                there |= {SEGMENT.replace("000000010000000000000003", name): {} for name in self.late}
            return json.dumps(there)
        # Of one set alone, its files are told too.
        chosen = [one for one in self.backups if f"--set={one['label']}" in argv]
        told = [{name: value for name, value in one.items() if name != "error-list"} for one in self.backups]
        return json.dumps([{"backup": chosen or told}])


@pytest.fixture
def pgbackrest(monkeypatch: pytest.MonkeyPatch) -> PgBackRest:
    found = PgBackRest()
    found.backups = [backup("full", 100), backup("incr", 200)]
    monkeypatch.setattr(physical, "run_tool", found)
    monkeypatch.setattr(physical, "ARRIVED_SECONDS_MAX", 0.1)
    monkeypatch.setattr(physical, "POLL_SECONDS", 0.01)
    return found


def backup(kind: str, start: int) -> dict[str, Any]:
    info = {"repository": {"delta": start}}
    return {"label": f"{start}F", "type": kind, "error": False, "timestamp": {"start": start}, "info": info}


def config(repositories: int = 1) -> Any:
    return SimpleNamespace(stanza="main", repositories=repositories)


def test_each_repository_gets_its_backup_also_when_the_first_is_gone(pgbackrest: PgBackRest) -> None:
    assert physical.back_up(config(2), "diff") == {"bytes": 400}
    pgbackrest.calls.clear()
    pgbackrest.fails_at = "--repo=1"
    with pytest.raises(physical.JobError, match="repository 1: unreachable") as caught:
        physical.back_up(config(2), "diff")
    assert caught.value.status == 49
    assert ["pgbackrest", "--stanza=main", "--repo=2", "--type=diff", "backup"] in pgbackrest.calls


def test_a_backup_that_runs_elsewhere_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_tool(_: Sequence[str]) -> str:
        raise physical.JobError("unable to acquire lock on file '/tmp/pgbackrest/main-backup.lock'", 50)

    monkeypatch.setattr(physical, "run_tool", run_tool)
    with pytest.raises(physical.Postponed, match="unable to acquire lock"):
        physical.back_up(config(), "full")


def test_a_failure_is_told_though_another_repository_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_tool(argv: Sequence[str]) -> str:
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
        (
            GAP,
            "WAL is missing after 000000010000000000000022 and before 000000010000000000000024",
        ),
    ],
    ids=["checksum", "unreadable", "missing file", "another error", "no answer", "gap"],
)
def test_what_cannot_be_restored_is_named(pgbackrest: PgBackRest, found: str, named: str) -> None:
    pgbackrest.verified = found
    with pytest.raises(physical.JobError) as caught:
        physical.verify(config())
    assert named in str(caught.value)


def test_a_segment_that_came_after_the_one_behind_it_is_not_missing(pgbackrest: PgBackRest) -> None:
    pgbackrest.verified, pgbackrest.late = GAP, ["000000010000000000000023"]
    assert physical.verify(config()) == {"bytes": 300}


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
