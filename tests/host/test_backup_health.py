"""Health of backups and archive, against the limits that alert rules share (platform_thresholds)."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.host import health
from tests.host.environment import Environment

STATUS = "/var/lib/freelance-backup"
CRONTAB = "/etc/cron.d/freelance-backup"
DRILL_SINCE = f"{STATUS}/drill.since"
WAL = "/var/lib/postgresql-wal"
FAILED_NOW = 'runuser -u postgres -- env -C / psql -XAtqc "select failed_count from pg_stat_archiver"'
SETS, JOBS = ("full", "diff", "incr"), ("full", "diff", "incr", "dump", "verify")


def limits(seen: SimpleNamespace) -> Any:
    return seen.declared["platform_thresholds"]


def test_the_archive_keeps_up_and_does_not_fail(leader: SimpleNamespace, environment: Environment) -> None:
    (queue,), (archiver,) = leader.queries["archive_queue"], leader.queries["archiver"]
    failed_now = int(environment.connection(leader.name).check_output(FAILED_NOW))
    assert health.archive(queue, archiver, failed_now, limits(leader)) == []


def test_the_spool_is_small(leader: SimpleNamespace) -> None:
    # Of the host that archives: what one left that led before is taken away when it leads again.
    paths = [path for path in leader.files if path.startswith("/var/spool/pgbackrest/")]
    assert health.spool(paths, limits(leader)["spool_segments_max"]) == []


def test_the_volume_of_the_wal_has_room(database_host: SimpleNamespace) -> None:
    used = health.disk_percent(database_host.commands["disk"], WAL)
    assert used <= limits(database_host)["wal_volume_used_percent_max"], f"{WAL}: {used:.1f} % used"


def test_the_repository_has_room(repository_host: SimpleNamespace) -> None:
    path = repository_host.declared["backup_repository_path"]
    free = 100 - health.disk_percent(repository_host.commands["disk"], path)
    assert free >= limits(repository_host)["repository_free_percent_min"], f"{path}: {free:.1f} % free"


def test_no_page_was_found_broken(database_host: SimpleNamespace) -> None:
    failures_max = limits(database_host)["checksum_failures_max"]
    assert health.checksums(database_host.queries["checksums"], failures_max) == []


@pytest.mark.parametrize("job", SETS)
def test_the_newest_set_is_young(job: str, leader: SimpleNamespace, environment: Environment) -> None:
    if not entered(environment, job):
        pytest.skip(f"{job}: no host has this job")
    hours_max = limits(leader)["backup_age_hours_max"][job]
    info = json.loads(leader.as_postgres["backups"])
    assert health.sets(info, job, hours_max, leader.clock["now"]) == []


@pytest.mark.parametrize("job", JOBS)
def test_each_job_succeeded_lately(
    job: str, leader: SimpleNamespace, environment: Environment, found: dict[str, Any]
) -> None:
    hosts = entered(environment, job)
    if not hosts:
        pytest.skip(f"{job}: no host has this job")
    done = [{"job": name, **left} for name in JOBS for left in left_by(found, f"{name}.json")]
    done += health.of_sets(json.loads(leader.as_postgres["backups"]))
    since = max(found[name]["files"][CRONTAB]["modified"] for name in hosts)
    hours_max = environment.declared(hosts[0])["platform_thresholds"]["backup_age_hours_max"][job]
    assert health.success(job, done, since, hours_max, found[hosts[0]]["clock"]["now"]) == []
    if not health.last_success(job, done):
        age = f"one of {', '.join(hosts)} has the job for less than {hours_max} h"
        pytest.skip(f"{job}: no host knows of a success, and {age}")


def test_a_backup_was_restored_lately(environment: Environment, found: dict[str, Any]) -> None:
    hosts = entered(environment, "drill")
    if not hosts:
        pytest.skip("drill: no host has this job")
    # From the first deployment on: a host's last start, or a crontab's last change, could come each week.
    since = min(found[name]["files"][DRILL_SINCE]["modified"] for name in hosts)
    days_max = environment.declared(hosts[0])["backup_cron_drill_days_max"]
    records = left_by(found, "drill-record.json")
    assert health.drill(records, since, days_max, found[hosts[0]]["clock"]["now"]) == []


def entered(environment: Environment, job: str) -> list[str]:
    """Return the hosts that have a job."""
    return [
        name for name in environment.hosts("all") if job in (environment.declared(name).get("backup_cron_jobs") or [])
    ]


def left_by(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return what all hosts hold in a status file."""
    path = f"{STATUS}/{name}"
    return [json.loads(seen["contents"][path]) for seen in found.values() if path in seen["contents"]]
