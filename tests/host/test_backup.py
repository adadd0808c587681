"""Backups and the archive: fresh, complete, and at night by themselves."""

import json
import re
import time
from types import SimpleNamespace

import pytest

from tests.host.environment import Environment

# A quiet leader archives a segment each archive_timeout; five of them without one is a broken archive.
ARCHIVE_TIMEOUTS_MAX = 5
# Full on Sundays, differential else, both at night: the newest is never older than this.
BACKUP_HOURS_MAX = 36


def test_the_archive_is_fresh_and_nothing_fails(leader: SimpleNamespace) -> None:
    settings = {row["name"]: row for row in leader.queries["settings"]}
    (row,) = leader.queries["archiver"]
    assert settings["archive_mode"]["setting"] == "on"
    assert not row["failing"], row
    # PostgreSQL forces a segment only when something was written since the last one.
    assert row["last_archived_wal"], "no segment was ever archived"


def test_the_spool_holds_no_failed_segment(database_host: SimpleNamespace) -> None:
    assert [path for path in database_host.files if path.endswith(".error")] == []


def test_a_full_backup_exists_and_is_not_old(leader: SimpleNamespace) -> None:
    (stanza,) = json.loads(leader.as_postgres["backups"])
    assert stanza["status"]["code"] == 0, stanza["status"]
    assert {repository["cipher"] for repository in stanza["repo"]} == {"aes-256-cbc"}
    assert "full" in {backup["type"] for backup in stanza["backup"]}
    newest = max(backup["timestamp"]["stop"] for backup in stanza["backup"])
    assert time.time() - newest < BACKUP_HOURS_MAX * 3600
    assert not [backup["label"] for backup in stanza["backup"] if backup.get("error")]


def test_the_archive_reaches_from_the_first_backup_to_now(leader: SimpleNamespace) -> None:
    (stanza,) = json.loads(leader.as_postgres["backups"])
    (archived,) = leader.queries["archiver"]
    newest = max(each["max"] for each in stanza["archive"] if each["max"])
    assert newest >= archived["last_archived_wal"][:24], "PostgreSQL counts a segment as archived that is not there"


def test_nightly_jobs_are_entered(host: SimpleNamespace) -> None:
    jobs = host.declared.get("backup_cron_jobs")
    if not jobs:
        pytest.skip("no backup job runs on this host")
    entries = "\n".join(text for path, text in host.contents.items() if path.startswith("/etc/cron.d/"))
    for job in jobs:
        schedule = host.declared[f"backup_cron_{job}_schedule"]
        assert re.search(rf"(?m)^{re.escape(schedule)}\s+postgres\s.*\b{job}\b", entries), f"{job}: {entries}"


def test_no_job_has_failed(host: SimpleNamespace) -> None:
    for path, text in host.contents.items():
        if path.startswith("/var/lib/freelance-backup/"):
            assert json.loads(text)["exit_status"] == 0, f"{path}: {text}"


def test_every_backup_of_a_job_belongs_to_postgres_alone(database_host: SimpleNamespace) -> None:
    foreign = {
        path: file
        for path, file in database_host.files.items()
        if path.startswith("/var/backups/postgresql/") and (file["owner"] != "postgres" or file["mode"][-1] != "0")
    }
    assert foreign == {}


def test_the_repository_is_where_the_contract_says(repository_host: SimpleNamespace, environment: Environment) -> None:
    declared = environment.declared(environment.hosts("database")[0])["platform_repository"]
    assert declared == {"type": "host", "host": repository_host.name}
