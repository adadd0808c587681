"""The schema is at the application's release, and its first data is there."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.host import clients, compare
from tests.host.environment import ROOT, Environment

CRONTAB = "/etc/cron.d/freelance-application"
FORCED_TABLES_MIN, AUDITED_TABLES_MIN = 55, 20
JOBS = ["roll_up_statistics", "refresh_statistics_views", "maintain_partitions", "clearsessions"]


def test_every_migration_of_the_release_is_applied(leader: SimpleNamespace) -> None:
    applied = {(row["app"], row["name"]) for row in leader.queries["migrations"]}
    ours = {(path.parent.parent.name, path.stem) for path in (ROOT / "files/app/apps").glob("*/migrations/[0-9]*.py")}
    assert ours
    assert ours - applied == set()


def test_the_release_on_each_host_is_the_one_that_the_database_names(
    leader: SimpleNamespace, environment: Environment
) -> None:
    read = "readlink -f /opt/freelance-platform/current"
    current = {name: environment.connection(name).run(read).stdout.strip() for name in environment.hosts("database")}
    named = leader.queries["release"][0]["release"]
    assert {name: path for name, path in current.items() if path.rpartition("/")[2] != named} == {}


def test_settings_and_keys_are_for_the_application_and_those_of_the_owner_for_its_user_alone(
    found: dict[str, Any], environment: Environment
) -> None:
    files = found[environment.hosts("database")[0]]["files"]
    for file in (files["/etc/freelance-platform/app.env"], files["/etc/freelance-platform/keys.json"]):
        assert (file["owner"], file["group"], file["mode"]) == ("root", "freelance", "0640")
    owners = files["/etc/freelance-platform/owner.env"]
    assert (owners["owner"], owners["group"], owners["mode"]) == ("freelance-owner", "root", "0400")


def test_all_initial_data_is_there(leader: SimpleNamespace) -> None:
    fixture = json.loads((ROOT / "files/app/fixtures/initial_data.json").read_text(encoding="utf-8"))
    assert {row["pk"] for row in fixture} - {row["id"] for row in leader.queries["catalogue"]} == set()


def test_rows_are_protected_audited_and_summed_up(leader: SimpleNamespace) -> None:
    (found,) = leader.queries["protections"]
    # Whose rights are which: tests/app/data/table_rights.txt.
    assert found["tables_forced"] >= FORCED_TABLES_MIN
    assert found["tables_audited"] >= AUDITED_TABLES_MIN
    assert found["views_filled"] == 2


def test_each_log_has_its_months_ahead(leader: SimpleNamespace) -> None:
    months = {row["parent_table"]: row["months"] for row in leader.queries["months_ahead"]}
    assert len(months) == 4
    assert {table: count for table, count in months.items() if count < 6} == {}


def test_the_performance_audit_measures_every_kpi(
    leader: SimpleNamespace, environment: Environment, card: dict[str, Any]
) -> None:
    # A pooler that was just started has no pool yet: a client's first connection makes one.
    with clients.connect(card, "pooled") as connection:
        connection.execute("SELECT 1")
    manage = "env ENV_FILE=/etc/freelance-platform/owner.env ../venv/bin/python manage.py"
    audit = f"cd /opt/freelance-platform/current/app && runuser -u freelance-owner -- {manage}"
    first = environment.hosts("database")[0]
    answer = environment.connection(first).run(f"{audit} performance_audit --json --database direct")
    report = json.loads(answer.stdout)
    assert report["health"]["status"] == "healthy", json.dumps(report["health"])
    assert report["pools"], report["not_measured"]
    assert [kpi["value"] for kpi in report["kpis"] if kpi["name"] == "default_partition_rows"] == [0], report[
        "filled_default_partitions"
    ]
    # A host sees its own disk alone, and the leader may have moved to another one.
    elsewhere = set() if leader.name == first else {"disk_busy_percent"}
    assert {kpi["name"] for kpi in report["kpis"] if kpi["status"] == "not measured"} == elsewhere, report[
        "not_measured"
    ]


def test_the_jobs_are_entered_as_declared(found: dict[str, Any], environment: Environment) -> None:
    first = environment.hosts("database")[0]
    declared, contents = environment.declared(first), found[first]["contents"]
    assert list(declared["__schema_migrations_jobs"]) == JOBS
    for template in ("freelance-application.cron.j2", "freelance-application.json.j2"):
        path = CRONTAB if ".cron." in template else "/etc/freelance-application.json"
        assert contents.get(path, "").strip() == declared.file("schema_migrations", template).strip(), path


def test_what_leaves_the_database_is_for_the_jobs_user_alone(found: dict[str, Any], environment: Environment) -> None:
    folder = found[environment.hosts("database")[0]]["files"]["/var/backups/freelance-application"]
    assert (folder["owner"], folder["group"], folder["mode"]) == ("freelance-owner", "freelance", "0700")


@pytest.mark.parametrize("job", JOBS)
def test_the_last_run_of_each_job_of_the_application_succeeded(
    job: str, found: dict[str, Any], environment: Environment
) -> None:
    last = last_outcome(job, found, environment)
    assert last["exit_status"] == 0, f"{last}; see `journalctl -t freelance-application` there"


@pytest.mark.parametrize("job", JOBS)
def test_each_job_of_the_application_ran_when_it_was_last_due(
    job: str, found: dict[str, Any], environment: Environment
) -> None:
    first = environment.hosts("database")[0]
    schedule = environment.declared(first)[f"schema_migrations_{job}_schedule"]
    due = compare.due_since(schedule, found[first], CRONTAB, compare.WAITING_JOB_SECONDS_MAX)
    if due is None:
        pytest.skip(f"{job}: not yet due since its crontab was written on {first} or it started")
    last = last_outcome(job, found, environment)
    assert last["finished_timestamp_seconds"] >= due, f"{job} has not run when it was last due: {last}"


def last_outcome(job: str, found: dict[str, Any], environment: Environment) -> dict[str, Any]:
    """Return what the last run of a job left on the host that carries the release."""
    first = environment.hosts("database")[0]
    path = f"/var/lib/freelance-application/{job}.json"
    assert path in found[first]["contents"], f"{job} has left no outcome on {first}: site.yml runs each job once itself"
    outcome: dict[str, Any] = json.loads(found[first]["contents"][path])
    return outcome
