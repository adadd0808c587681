"""Maintenance runs by itself: each job that was due has succeeded since, on whichever host leads, or on each."""

import json
from typing import Any

import pytest

from tests.host import compare, health
from tests.host.environment import Environment

STATUS = "/var/lib/freelance-maintenance"
CRONTAB = "/etc/cron.d/freelance-maintenance"
# What each host does for itself; the others act where the leader is, so that one outcome of all hosts counts.
OF_EACH_HOST = ("statements", "report", "capacity")


def test_each_job_has_succeeded_since_it_was_due(environment: Environment, found: dict[str, Any]) -> None:
    jobs = entered(environment)
    if not jobs:
        pytest.skip("maintenance: no host declares a job")
    problems = []
    for job, names in jobs.items():
        for hosts in [[name] for name in names] if job in OF_EACH_HOST else [names]:
            outcomes = left_by(found, hosts, job)
            dues = [due_at_the_latest(environment, found[name], name, job) for name in hosts]
            due = max((each for each in dues if each is not None), default=None)
            problems += [f"{', '.join(hosts)}: {problem}" for problem in health.upkeep(job, outcomes, due)]
    assert problems == []


def entered(environment: Environment) -> dict[str, list[str]]:
    """Return job -> the hosts that have it."""
    hosts: dict[str, list[str]] = {}
    for name in dict.fromkeys([*environment.hosts("database"), *environment.hosts("repository")]):
        for job in environment.declared(name)["maintenance_cron_jobs"]:
            hosts.setdefault(job, []).append(name)
    return hosts


def left_by(found: dict[str, Any], hosts: list[str], job: str) -> list[dict[str, Any]]:
    """Return what the last run of a job has left on each of some hosts."""
    path = f"{STATUS}/{job}.json"
    return [json.loads(found[name]["contents"][path]) for name in hosts if path in found[name]["contents"]]


def due_at_the_latest(environment: Environment, seen: dict[str, Any], name: str, job: str) -> float | None:
    """Return when a job had to run at the latest; None where the host did not yet live through such a time."""
    declared = environment.declared(name)
    hours_max = declared["platform_thresholds"]["maintenance_age_hours_max"]
    assert CRONTAB in seen["files"], f"{name}: {CRONTAB} is missing"
    clock = seen["clock"]
    schedule = declared[f"maintenance_cron_{job}_schedule"]
    due = compare.last_due(schedule, clock["now"] - hours_max * health.HOUR_S, clock["utc_offset_seconds"])
    since = max(seen["files"][CRONTAB]["modified"], clock["started"])
    return due if due is not None and due > since else None
