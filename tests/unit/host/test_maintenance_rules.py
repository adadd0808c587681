"""When a maintenance job must have succeeded, and what is told where it has not."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.host import health, test_maintenance

HOUR, NOW = 3600.0, 1_764_072_000.0  # a Tuesday, 12:00 UTC
SCHEDULE = "0 2 * * *"


def environment(**declared: Any) -> Any:
    limits = {"platform_thresholds": {"maintenance_age_hours_max": 48}}
    return SimpleNamespace(hosts=lambda _: ["db1", "db2"], declared=lambda _: limits | declared)


def found(age_hours: float, **outcome: Any) -> dict[str, Any]:
    clock = {"now": NOW, "utc_offset_seconds": 0, "started": NOW - age_hours * HOUR}
    files = {test_maintenance.CRONTAB: {"modified": NOW - age_hours * HOUR}}
    left = {f"{test_maintenance.STATUS}/vacuum.json": json.dumps(outcome)} if outcome else {}
    return {
        "db1": {"clock": clock, "files": files, "contents": left},
        "db2": {"clock": clock, "files": files, "contents": {}},
    }


def judge(seen: dict[str, Any]) -> None:
    declared = environment(maintenance_cron_vacuum_schedule=SCHEDULE, maintenance_cron_keep_days=31)
    test_maintenance.test_each_job_has_succeeded_since_it_was_due(declared, seen)


def outcome(hours_ago: float, status: int = 0, success_hours_ago: float | None = None) -> dict[str, Any]:
    success = NOW - (hours_ago if success_hours_ago is None else success_hours_ago) * HOUR
    finished = {"finished_timestamp_seconds": NOW - hours_ago * HOUR, "exit_status": status}
    return finished | {"last_success_timestamp_seconds": success}


def test_without_a_job_the_reason_is_printed() -> None:
    with pytest.raises(pytest.skip.Exception, match="no host declares a job"):
        test_maintenance.test_each_job_has_succeeded_since_it_was_due(environment(), found(99))


def test_a_job_is_given_time_and_then_told() -> None:
    judge(found(30))
    judge(found(99, **outcome(40)))
    with pytest.raises(AssertionError, match="has not succeeded since; last at 0"):
        judge(found(99))
    # Due 58 hours ago, which is more than 48.
    with pytest.raises(AssertionError, match="vacuum: it was due at"):
        judge(found(200, **outcome(1, health.POSTPONED, success_hours_ago=70)))


def test_a_failed_run_is_told_and_a_postponed_one_is_not() -> None:
    judge(found(99, **outcome(1, health.POSTPONED, success_hours_ago=34)))
    with pytest.raises(AssertionError, match="vacuum: the last run has failed with status 3"):
        judge(found(99, **outcome(1, 3, success_hours_ago=34)))


def test_a_host_without_the_crontab_is_told() -> None:
    seen = found(99, **outcome(1))
    seen["db2"] = seen["db2"] | {"files": {}}
    with pytest.raises(AssertionError, match=r"db2: /etc/cron\.d/freelance-maintenance is missing"):
        judge(seen)
