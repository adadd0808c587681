"""When a nightly job must have run: from its first night on, and never a silent pass before."""

import itertools
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.host import compare, test_backup, test_backup_health
from tests.host.environment import Environment

ROOT = Path(__file__).resolve().parents[3]
HOUR, NIGHT = 3600.0, 1_764_036_000.0  # two in the morning of a Tuesday, when the dump is due


@pytest.fixture
def found(environment: Environment) -> dict[str, Any]:
    """All hosts in the afternoon; their crontabs were written three days ago, and nothing has run."""
    crontab = {"/etc/cron.d/freelance-backup": {"modified": NIGHT - 72 * HOUR}}
    clock = {"now": NIGHT + 12 * HOUR, "utc_offset_seconds": 0, "started": NIGHT - 80 * HOUR}
    return {
        name: {"clock": dict(clock), "files": {path: dict(file) for path, file in crontab.items()}, "contents": {}}
        for name in environment.hosts("all")
    }


def leave(found: dict[str, Any], host: str, job: str, finished: float, status: int = 0) -> None:
    """Let a job have run."""
    outcome = {
        "exit_status": status,
        "finished_timestamp_seconds": finished,
        "last_success_timestamp_seconds": finished,
    }
    found[host]["contents"][f"/var/lib/freelance-backup/{job}.json"] = json.dumps(outcome)


def lately(job: str, environment: Environment, found: dict[str, Any], *sets: tuple[str, float]) -> None:
    """Ask for a job's last success where the repository holds sets, as (type, end)."""
    backups = [{"type": kind, "timestamp": {"stop": end}} for kind, end in sets]
    leader = SimpleNamespace(as_postgres={"backups": json.dumps([{"backup": backups}])})
    test_backup_health.test_each_job_succeeded_lately(job, leader, environment, found)


def test_the_time_of_this_test_is_when_the_dump_is_due(environment: Environment) -> None:
    schedule = environment.declared("db1")["backup_cron_dump_schedule"]
    assert compare.last_due(schedule, NIGHT + 60, 0) == NIGHT


def test_a_job_that_ran_on_any_host_is_enough(environment: Environment, found: dict[str, Any]) -> None:
    leave(found, "db3", "dump", NIGHT + 60)
    lately("dump", environment, found)


def test_a_night_without_a_dump_is_told(environment: Environment, found: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=r"dump: no host knows of a success, the job is 84\.0 h old; at most 48"):
        lately("dump", environment, found)
    leave(found, "db2", "dump", NIGHT - 48 * HOUR)
    with pytest.raises(AssertionError, match=r"dump: last successful 60\.0 h ago; at most 48"):
        lately("dump", environment, found)


def test_where_no_success_can_be_there_yet_the_reason_is_printed(
    environment: Environment, found: dict[str, Any]
) -> None:
    # One host made anew is enough: it may be the one that acted, and what it left is gone.
    found["db1"]["files"][test_backup_health.CRONTAB]["modified"] = NIGHT - 36 * HOUR
    with pytest.raises(pytest.skip.Exception, match="dump: no host knows of a success, and one of db1, db2, db3 has"):
        lately("dump", environment, found)
    found["db1"]["files"][test_backup_health.CRONTAB]["modified"] -= HOUR
    with pytest.raises(AssertionError, match=r"dump: no host knows of a success, the job is 49\.0 h old; at most 48"):
        lately("dump", environment, found)


def test_what_does_more_and_the_sets_of_a_host_that_is_gone_are_successes(
    environment: Environment, found: dict[str, Any]
) -> None:
    # Older than each limit.
    for seen in found.values():
        seen["files"][test_backup_health.CRONTAB]["modified"] = NIGHT - 300 * HOUR
    lately("full", environment, found, ("full", NIGHT - 100 * HOUR))
    leave(found, "db1", "diff", NIGHT - 48 * HOUR)
    with pytest.raises(AssertionError, match=r"diff: last successful 60\.0 h ago; at most 48"):
        lately("diff", environment, found, ("full", NIGHT - 100 * HOUR), ("incr", NIGHT))
    leave(found, "db2", "full", NIGHT - 30 * HOUR)
    lately("diff", environment, found)


@pytest.mark.parametrize("job", ["dump", "full", "verify"])
@pytest.mark.parametrize("ran_before", [True, False])
def test_a_job_that_may_still_run_is_not_missed(
    environment: Environment, found: dict[str, Any], job: str, ran_before: bool
) -> None:
    schedules = [environment.declared(name).get(f"backup_cron_{job}_schedule") for name in environment.hosts("all")]
    began = compare.last_due(next(each for each in schedules if each), NIGHT, 0)
    assert began
    for seen in found.values():
        seen["clock"]["now"] = began + 6 * HOUR
        seen["files"][test_backup_health.CRONTAB]["modified"] = began - HOUR
    if ran_before:
        leave(found, "db1", job, began - (24 if job == "dump" else 7 * 24) * HOUR + 6 * HOUR)
        lately(job, environment, found)
    else:
        with pytest.raises(pytest.skip.Exception, match=f"{job}: no host knows of a success, and one of"):
            lately(job, environment, found)


def test_each_job_comes_due_as_often_as_it_should() -> None:
    """By the role's own schedules, in two weeks: how often in one, and after how many hours at the longest."""
    role = yaml.safe_load((ROOT / "roles/backup_cron/defaults/main.yml").read_text(encoding="utf-8"))
    schedules = {
        found[1]: value for name, value in role.items() if (found := re.fullmatch("backup_cron_(.+)_schedule", name))
    }
    due: dict[str, list[float]] = {}
    for job, schedule in schedules.items():
        moment, moments = NIGHT, list[float]()
        while (moment := compare.last_due(schedule, moment - 60, 0) or 0) >= NIGHT - 14 * 24 * HOUR:
            moments.append(moment)
        due[job] = moments
    assert {
        job: (len(moments) / 2, max(late - early for late, early in itertools.pairwise(moments)) / HOUR)
        for job, moments in due.items()
    } == {
        "dump": (7, 24),
        "full": (1, 168),
        "diff": (6, 48),
        "incr": (28, 6),
        "verify": (1, 168),
        "marker": (2016, 1 / 12),
        "drill": (1, 168),
        "catch_up": (672, 1 / 4),
    }
    # A full set each week and a differential one on each other day, at night, as the dump.
    assert len({moment // (24 * HOUR) for moment in due["full"] + due["diff"]}) == 14
    assert {moment % (24 * HOUR) // HOUR for job in ("dump", "full", "diff") for moment in due[job]} <= set(range(6))


def test_a_job_without_a_host_is_told() -> None:
    environment: Any = SimpleNamespace(
        hosts=lambda _: ["db1", "service1"],
        declared=lambda name: {"backup_cron_jobs": ["dump", "full", "diff", "incr"]} if name == "db1" else {},
    )
    with pytest.raises(AssertionError, match="verify"):
        test_backup.test_each_job_has_a_host(environment)


def test_the_newest_outcome_counts(found: dict[str, Any]) -> None:
    verify = test_backup.test_the_last_run_of_each_job_has_not_failed
    with pytest.raises(pytest.skip.Exception, match="full: it has not run yet"):
        verify("full", found)
    with pytest.raises(AssertionError, match=r"site\.yml takes the first dump itself"):
        verify("dump", found)
    leave(found, "db1", "dump", NIGHT - 24 * HOUR, status=1)
    with pytest.raises(AssertionError, match="exit_status"):
        verify("dump", found)
    leave(found, "db2", "dump", NIGHT)
    verify("dump", found)


@pytest.mark.parametrize("stamp", ["20251124_020000", "20251126_020000"])
def test_a_dump_without_the_globals_of_its_run_is_told(
    environment: Environment, found: dict[str, Any], stamp: str
) -> None:
    folder, night = "/var/backups/postgresql", "20251125_020000"
    with pytest.raises(AssertionError, match="no host holds a dump"):
        test_backup.test_a_dump_is_whole(environment, found)
    for name in (f"full_backup_x_y_{night}.dump", f"schema_x_y_{night}.sql.gz", f"globals_{night}.sql.partial"):
        found["db2"]["files"][f"{folder}/{name}"] = {}
    found["db3"]["files"][f"{folder}/globals_{stamp}.sql"] = {}
    with pytest.raises(AssertionError, match=f"the run of {max(night, stamp)} lacks them"):
        test_backup.test_a_dump_is_whole(environment, found)
    del found["db3"]["files"][f"{folder}/globals_{stamp}.sql"]
    found["db2"]["files"][f"{folder}/globals_{night}.sql"] = {}
    test_backup.test_a_dump_is_whole(environment, found)


def information(*newest: tuple[int, int, str | None]) -> list[dict[str, Any]]:
    """Make what `pgbackrest info` says of two repositories: archives as (repository, database, newest segment)."""
    archives = [{"database": {"id": own, "repo-key": key}, "max": segment} for key, own, segment in newest]
    return [{"repo": [{"key": 1}, {"key": 2}], "archive": archives}]


class Leader:
    """A leader's host on which segments arrive in the second repository after a number of looks, or never."""

    def __init__(self, looks: float) -> None:
        self.looks, self.commands = looks, list[str]()

    def check_output(self, command: str) -> str:
        self.commands.append(command)
        if "pgbackrest" not in command:
            return "00000002000000000000000A\n"
        self.looks -= 1
        held = "00000002000000000000000A" if self.looks < 0 else "000000020000000000000009"
        older, there = "00000005000000000000000F", "00000002000000000000000A"
        return json.dumps(information((1, 1, older), (1, 2, there), (2, 1, older), (2, 2, held)))


@pytest.mark.parametrize("looks", [0, 3, float("inf")])
def test_a_hung_archiver_is_told(looks: float, monkeypatch: pytest.MonkeyPatch) -> None:
    leader = Leader(looks)
    passed = iter(range(1000))
    monkeypatch.setattr(test_backup, "time", SimpleNamespace(monotonic=lambda: next(passed), sleep=lambda _: None))
    declared = {"wal_archive_arrival_timeout_seconds": 20, "platform_cluster": "main"}
    environment: Any = SimpleNamespace(connection=lambda _: leader)
    seen = SimpleNamespace(name="db1", declared=declared)
    if looks > 20:
        with pytest.raises(AssertionError, match="0000000A is not in the repository after 20 s"):
            test_backup.test_what_is_written_now_is_in_the_repository_soon(seen, environment)
    else:
        test_backup.test_what_is_written_now_is_in_the_repository_soon(seen, environment)
    assert "pg_logical_emit_message" in leader.commands[0]
    assert "pg_switch_wal" in leader.commands[1]


def test_a_repository_that_holds_nothing_of_todays_database_is_behind() -> None:
    there = "00000002000000000000000A"
    assert test_backup.newest_segment(information((1, 2, there), (2, 2, there))) == there
    assert test_backup.newest_segment(information((1, 2, there))) == ""
    assert test_backup.newest_segment(information((1, 2, there), (2, 1, there), (2, 2, None))) == ""
