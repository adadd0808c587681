"""When a maintenance job must have succeeded, and what is told where it has not."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.host import health, test_maintenance

HOUR, NOW = 3600.0, 1_764_072_000.0  # a Tuesday, 12:00 UTC
SCHEDULE = "0 2 * * *"


def environment(*jobs: str, **of_host: list[str]) -> Any:
    """Give hosts that declare these jobs, or others of their own, each at the same hour."""
    values: dict[str, Any] = {
        f"maintenance_cron_{job}_schedule": SCHEDULE for job in ("vacuum", "reindex", "statements", "capacity")
    }
    values |= {"platform_thresholds": {"maintenance_age_hours_max": 48}, "maintenance_cron_keep_days": 31}
    return SimpleNamespace(
        hosts=lambda group: {"database": ["db1", "db2"], "repository": ["service1"]}.get(group, []),
        declared=lambda name: values | {"maintenance_cron_jobs": of_host.get(name, list(jobs))},
    )


def found(age_hours: float, job: str = "vacuum", **outcome: Any) -> dict[str, Any]:
    """Give hosts of this age, of which one has left an outcome."""
    clock = {"now": NOW, "utc_offset_seconds": 0, "started": NOW - age_hours * HOUR}
    files = {test_maintenance.CRONTAB: {"modified": NOW - age_hours * HOUR}}
    left = {f"{test_maintenance.STATUS}/{job}.json": json.dumps(outcome)} if outcome else {}
    return {
        "db1": {"clock": clock, "files": files, "contents": left},
        "db2": {"clock": clock, "files": files, "contents": {}},
        "service1": {"clock": clock, "files": files, "contents": {}},
    }


def judge(seen: dict[str, Any], *jobs: str, **of_host: list[str]) -> None:
    declared = environment(*(jobs or ("vacuum",)), **{"service1": []} | of_host)
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


def test_a_host_whose_own_upkeep_fails_is_not_hidden_by_the_others() -> None:
    seen = found(99, "statements", **outcome(2))
    seen["db2"]["contents"] = {f"{test_maintenance.STATUS}/statements.json": json.dumps(outcome(3, 1, 30))}
    with pytest.raises(AssertionError, match=r"db2: statements: the last run has failed with status 1"):
        judge(seen, "statements")
    seen["db2"]["contents"] = {}
    with pytest.raises(AssertionError, match=r"db2: statements: it was due at"):
        judge(seen, "statements")
    seen["db2"]["contents"] = seen["db1"]["contents"]
    judge(seen, "statements")


def test_a_repository_host_is_judged_by_its_own_jobs() -> None:
    with pytest.raises(AssertionError, match=r"service1: capacity: it was due at") as told:
        judge(found(99, **outcome(2)), service1=["capacity"])
    assert "db1" not in str(told.value)


def test_a_job_that_no_host_declares_is_not_asked_for() -> None:
    judge(found(99, **outcome(2)), "vacuum")


def test_a_host_without_the_crontab_is_told() -> None:
    seen = found(99, **outcome(1))
    seen["db2"] = seen["db2"] | {"files": {}}
    with pytest.raises(AssertionError, match=r"db2: /etc/cron\.d/freelance-maintenance is missing"):
        judge(seen)
