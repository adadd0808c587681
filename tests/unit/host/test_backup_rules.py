"""When a nightly job must have run: from its first night on, and never a silent pass before."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.host import compare, test_backup
from tests.host.environment import Environment

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
    outcome = {"exit_status": status, "finished_timestamp_seconds": finished}
    found[host]["contents"][f"/var/lib/freelance-backup/{job}.json"] = json.dumps(outcome)


due = test_backup.test_each_job_ran_when_it_was_last_due


def test_the_time_of_this_test_is_when_the_dump_is_due(environment: Environment) -> None:
    schedule = environment.declared("db1")["backup_cron_dump_schedule"]
    assert compare.last_due(schedule, NIGHT + 60, 0) == NIGHT


def test_a_job_that_ran_on_any_host_is_enough(environment: Environment, found: dict[str, Any]) -> None:
    leave(found, "db3", "dump", NIGHT + 60)
    due("dump", environment, found)


def test_a_night_without_a_dump_is_told(environment: Environment, found: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="dump was due and has left no outcome on db1, db2, db3"):
        due("dump", environment, found)
    leave(found, "db2", "dump", NIGHT - 24 * HOUR)
    with pytest.raises(AssertionError, match="has not run when it was last due"):
        due("dump", environment, found)


@pytest.mark.parametrize("what", ["crontab", "started"])
def test_before_the_first_night_the_reason_is_printed(
    environment: Environment, found: dict[str, Any], what: str
) -> None:
    for seen in found.values():
        if what == "crontab":
            seen["files"]["/etc/cron.d/freelance-backup"]["modified"] = NIGHT + HOUR
        else:
            seen["clock"]["started"] = NIGHT + HOUR
    with pytest.raises(pytest.skip.Exception, match="dump: not yet due since its crontab was written on db1, db2, db3"):
        due("dump", environment, found)
    # One host that lived through the night is enough to ask for its outcome.
    found["db1"]["files"]["/etc/cron.d/freelance-backup"]["modified"] = NIGHT - HOUR
    found["db1"]["clock"]["started"] = NIGHT - HOUR
    with pytest.raises(AssertionError, match="dump was due"):
        due("dump", environment, found)


def test_a_job_that_may_still_run_is_not_missed(environment: Environment, found: dict[str, Any]) -> None:
    leave(found, "db1", "dump", NIGHT - 24 * HOUR + 60)
    for seen in found.values():
        seen["clock"]["now"] = NIGHT + HOUR
    due("dump", environment, found)


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


def test_a_dump_without_its_globals_is_told(environment: Environment, found: dict[str, Any]) -> None:
    for kind in ("full_backup_x_1.dump", "schema_x_1.sql.gz"):
        found["db2"]["files"][f"/var/backups/postgresql/{kind}"] = {}
    with pytest.raises(AssertionError, match="globals_"):
        test_backup.test_a_dump_is_whole(environment, found)
    found["db2"]["files"]["/var/backups/postgresql/globals_1.sql"] = {}
    test_backup.test_a_dump_is_whole(environment, found)


class Leader:
    """A leader's host on which segments arrive in the repository after a number of looks, or never."""

    def __init__(self, looks: float) -> None:
        self.looks, self.commands = looks, list[str]()

    def check_output(self, command: str) -> str:
        self.commands.append(command)
        if "pgbackrest" not in command:
            return "00000002000000000000000A\n"
        self.looks -= 1
        held = "00000002000000000000000A" if self.looks < 0 else "000000020000000000000009"
        return json.dumps([{"archive": [{"max": "00000001000000000000000F"}, {"max": held}]}])


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
