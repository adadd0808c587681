"""Maintenance runs by itself: each job that was due has succeeded since, on whichever host leads."""

import json
import re
from typing import Any

import pytest

from tests.host import compare, health
from tests.host.environment import Environment

STATUS = "/var/lib/freelance-maintenance"
CRONTAB = "/etc/cron.d/freelance-maintenance"
SCHEDULE = re.compile(r"maintenance_cron_(\w+)_schedule")


def test_each_job_has_succeeded_since_it_was_due(environment: Environment, found: dict[str, Any]) -> None:
    schedules = schedules_of(environment)
    if not schedules:
        pytest.skip("maintenance: no host declares a job")
    problems = []
    for job, hosts in schedules.items():
        path = f"{STATUS}/{job}.json"
        outcomes = [json.loads(seen["contents"][path]) for seen in found.values() if path in seen["contents"]]
        dues = [due_at_the_latest(environment, found[name], name, schedule) for name, schedule in hosts.items()]
        problems += health.upkeep(job, outcomes, max((due for due in dues if due is not None), default=None))
    assert problems == []


def schedules_of(environment: Environment) -> dict[str, dict[str, str]]:
    """Return job -> host -> schedule, of what hosts declare."""
    found: dict[str, dict[str, str]] = {}
    for name in environment.hosts("database"):
        declared = environment.declared(name)
        # By name: not every variable has a value on the machine that verifies.
        for matched in filter(None, map(SCHEDULE.fullmatch, declared)):
            found.setdefault(matched[1], {})[name] = declared[matched[0]]
    return found


def due_at_the_latest(environment: Environment, seen: dict[str, Any], name: str, schedule: str) -> float | None:
    """Return when a job had to run at the latest; None where the host did not yet live through such a time."""
    hours_max = environment.declared(name)["platform_thresholds"]["maintenance_age_hours_max"]
    assert CRONTAB in seen["files"], f"{name}: {CRONTAB} is missing"
    clock = seen["clock"]
    due = compare.last_due(schedule, clock["now"] - hours_max * health.HOUR_S, clock["utc_offset_seconds"])
    since = max(seen["files"][CRONTAB]["modified"], clock["started"])
    return due if due is not None and due > since else None
