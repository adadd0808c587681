"""Backups and the archive: fresh, complete, and at night by themselves."""

import json
import re
import time
from types import SimpleNamespace
from typing import Any

import pytest

from tests.host.environment import Environment

JOBS = ["dump", "full", "diff", "incr", "verify"]
DUMP = re.compile(r".*/(?P<what>full_backup|schema|globals)_(?:.+_)?(?P<when>\d{8}_\d{6})\.(?:dump|sql|sql\.gz)")
AS_POSTGRES = "runuser -u postgres -- env -C /"


def test_the_archive_works_and_nothing_fails(leader: SimpleNamespace) -> None:
    settings = {row["name"]: row for row in leader.queries["settings"]}
    (row,) = leader.queries["archiver"]
    assert settings["archive_mode"]["setting"] == "on"
    assert not row["failing"], row
    assert row["last_archived_wal"], "no segment was ever archived"


def test_what_is_written_now_is_in_the_repository_soon(leader: SimpleNamespace, environment: Environment) -> None:
    # What a hung archiver looks like: nothing has failed, yet nothing arrives. So something is written and waited for.
    seconds_max = int(leader.declared["wal_archive_arrival_timeout_seconds"])
    as_postgres = f"{AS_POSTGRES} psql -XAtq -v ON_ERROR_STOP=1 -c"
    connection = environment.connection(leader.name)
    # A switch does nothing at the start of a segment: something has to be written first.
    connection.check_output(f"{as_postgres} \"select pg_logical_emit_message(true, 'verification', 'a segment')\"")
    segment = connection.check_output(f'{as_postgres} "select pg_walfile_name(pg_switch_wal())"').strip()
    info = f"{AS_POSTGRES} pgbackrest --stanza={leader.declared['platform_cluster']} --output=json info"
    end = time.monotonic() + seconds_max
    while newest_segment(json.loads(connection.check_output(info))) < segment:
        assert time.monotonic() < end, f"{segment} is not in the repository after {seconds_max} s"
        time.sleep(1)


def newest_segment(info: list[dict[str, Any]]) -> str:
    """Return up to where each repository holds the WAL of today's database."""
    (stanza,) = info
    newest = {repository["key"]: (0, "") for repository in stanza["repo"]}
    for each in stanza["archive"]:
        # After an upgrade the names begin anew, in an archive of their own.
        database, key = each["database"]["id"], each["database"]["repo-key"]
        newest[key] = max(newest[key], (database, each["max"] or ""))
    return min(segment for _, segment in newest.values())


def test_a_full_backup_exists_and_none_is_readable_without_the_key_or_broken(leader: SimpleNamespace) -> None:
    (stanza,) = json.loads(leader.as_postgres["backups"])
    assert stanza["status"]["code"] == 0, stanza["status"]
    assert {repository["cipher"] for repository in stanza["repo"]} == {"aes-256-cbc"}
    assert "full" in {backup["type"] for backup in stanza["backup"]}
    assert not [backup["label"] for backup in stanza["backup"] if backup.get("error")]


def test_the_archive_reaches_from_the_first_backup_to_now(leader: SimpleNamespace) -> None:
    (archived,) = leader.queries["archiver"]
    newest = newest_segment(json.loads(leader.as_postgres["backups"]))
    assert newest >= archived["last_archived_wal"][:24], "PostgreSQL counts a segment as archived that is not there"


def test_nightly_jobs_are_entered(host: SimpleNamespace) -> None:
    jobs = host.declared.get("backup_cron_jobs")
    if not jobs:
        pytest.skip("no backup job runs on this host")
    entries = "\n".join(text for path, text in host.contents.items() if path.startswith("/etc/cron.d/"))
    for job in jobs:
        schedule = host.declared[f"backup_cron_{job}_schedule"]
        assert re.search(rf"(?m)^{re.escape(schedule)}\s+postgres\s.*\b{job}\b", entries), f"{job}: {entries}"


def test_each_job_has_a_host(environment: Environment) -> None:
    entered = [environment.declared(name).get("backup_cron_jobs") or [] for name in environment.hosts("all")]
    assert set(JOBS) - {job for jobs in entered for job in jobs} == set()


@pytest.mark.parametrize("job", JOBS)
def test_the_last_run_of_each_job_has_not_failed(job: str, found: dict[str, Any]) -> None:
    # Which host acts is decided each night, so the newest outcome of all hosts counts.
    last = last_outcome(found, job)
    assert last or job != "dump", "site.yml takes the first dump itself"
    if last is None:
        pytest.skip(f"{job}: it has not run yet; whether it should have is a question of the backups' health")
    assert last["exit_status"] == 0, last


def test_a_dump_is_whole(environment: Environment, found: dict[str, Any]) -> None:
    # Of one run, which is on one host: a dump restores with the roles and the schema of its own time.
    runs: dict[str, set[str]] = {}
    for path in (path for host in environment.hosts("database") for path in found[host]["files"]):
        if file := DUMP.fullmatch(path):
            runs.setdefault(file["when"], set()).add(file["what"])
    assert runs, "no host holds a dump"
    assert {"full_backup", "schema", "globals"} - runs[max(runs)] == set(), f"the run of {max(runs)} lacks them"


def last_outcome(found: dict[str, Any], job: str) -> dict[str, Any] | None:
    """Return what the newest run of a job has left, on whichever host."""
    path = f"/var/lib/freelance-backup/{job}.json"
    left = [json.loads(seen["contents"][path]) for seen in found.values() if path in seen["contents"]]
    return max(left, key=lambda outcome: outcome["finished_timestamp_seconds"], default=None)


def test_every_backup_of_a_job_belongs_to_postgres_alone(database_host: SimpleNamespace) -> None:
    foreign = {
        path: file
        for path, file in database_host.files.items()
        if path.startswith("/var/backups/postgresql/") and (file["owner"] != "postgres" or file["mode"][-1] != "0")
    }
    assert foreign == {}


def test_the_repository_is_where_the_contract_says(repository_host: SimpleNamespace, environment: Environment) -> None:
    declared = environment.declared(environment.hosts("database")[0])["platform_repository"]
    assert (declared["type"], declared["host"]) == ("host", repository_host.name)
