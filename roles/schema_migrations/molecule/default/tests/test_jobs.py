"""The application's daily jobs run for real, by cron's own lines; what failed is told and the folders are closed."""

import json
import re

import pytest

STATUS = "/var/lib/freelance-application"
ARCHIVE = "/var/backups/freelance-application"
CRONTAB = "/etc/cron.d/freelance-application"
JOB = "/usr/local/sbin/freelance-job application clearsessions"
JOBS = ["roll_up_statistics", "refresh_statistics_views", "maintain_partitions", "clearsessions"]
# One call for all: each takes its time.
OUTCOMES = f"import glob, json; print(json.dumps([json.load(open(name)) for name in glob.glob('{STATUS}/*.json')]))"
# As the owner, who may date a row at will.
SEARCHED_LONG_AGO = """
    SET ROLE freelance_owner;
    INSERT INTO gigs_gigsearchhistory (created_at, session_digest, query_text, filters, result_count)
    SELECT date_trunc('month', now()) - interval '60 months', repeat('0', 64), 'once', '{}', 0
"""
DAYS_AGO = "SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date - day FROM payments_paymentstat"


@pytest.fixture(scope="module")
def crontab(host):
    return host.file(CRONTAB).content_string


@pytest.fixture
def as_cron_does(host, crontab):
    """Run jobs by the crontab's own lines, with cron's bare environment; returns the exit status of each."""

    def run(*jobs):
        path = re.search(r"(?m)^PATH=(.*)$", crontab)[1]
        script = ""
        for job in jobs:
            [(user, command)] = re.findall(rf"(?m)^(?:[0-9*/,-]+ ){{5}}([\w-]+) (.* {job} .*)$", crontab)
            script += f"sudo -u {user} env -i PATH={path} /bin/sh -c '{command}'; echo $?; "
        return [int(status) for status in host.check_output(f"cd /; {script}").split()]

    return run


def outcomes(host):
    return {seen["job"]: seen for seen in json.loads(host.check_output(f'python3 -c "{OUTCOMES}"'))}


def said(host, lines=20):
    return host.check_output(f"journalctl -t freelance-application -n {lines}")


def sql(host, query):
    result = host.run(f'sudo -u postgres psql -XAtc "{query}" freelance_platform')
    assert result.rc == 0, result.stderr
    return result.stdout.strip()


def test_each_job_has_run_once_since_the_role_was_played(host):
    seen = outcomes(host)
    assert seen.keys() == set(JOBS)
    for outcome in seen.values():
        assert outcome["exit_status"] == 0
        assert outcome["last_success_timestamp_seconds"] == outcome["finished_timestamp_seconds"] > 0
        assert outcome["duration_seconds"] > 0


def test_each_job_works_by_the_line_of_the_crontab(host, as_cron_does):
    before = outcomes(host)
    sql(host, "DELETE FROM payments_paymentstat")
    sql(host, SEARCHED_LONG_AGO)
    assert as_cron_does(*JOBS) == [0, 0, 0, 0], said(host)
    after, journal = outcomes(host), said(host)
    for job in JOBS:
        assert after[job]["finished_timestamp_seconds"] > before[job]["finished_timestamp_seconds"]
        assert f"{job} succeeded in " in journal
    assert sql(host, DAYS_AGO) == "1"
    # The month that is no longer kept is in the archive, for the jobs' user alone.
    assert sql(host, "SELECT count(*) FROM gigs_gigsearchhistory WHERE query_text = 'once'") == "0"
    folder = host.file(ARCHIVE)
    assert (folder.user, folder.group, folder.mode) == ("freelance-owner", "freelance", 0o700)
    assert "once" in host.check_output(f"zcat {ARCHIVE}/gigs_gigsearchhistory_*.copy.gz")


def test_a_failure_is_told_with_the_commands_own_words(host, as_cron_does):
    good = outcomes(host)["maintain_partitions"]
    host.check_output(f"mv {ARCHIVE} {ARCHIVE}.away")
    try:
        assert as_cron_does("maintain_partitions") == [1]
        bad = outcomes(host)["maintain_partitions"]
        assert bad["exit_status"] == 1
        assert bad["last_success_timestamp_seconds"] == good["last_success_timestamp_seconds"]
        assert "no such folder" in said(host)
    finally:
        host.check_output(f"mv {ARCHIVE}.away {ARCHIVE}")
    assert as_cron_does("maintain_partitions") == [0]


def test_two_runs_of_one_job_never_overlap(host):
    held = host.run(f"sudo -u freelance-owner flock {STATUS}/clearsessions.lock {JOB}")
    assert held.rc == 75
    assert "still holds the lock" in held.stderr


@pytest.mark.parametrize("user", ["root", "freelance"])
def test_the_jobs_run_as_the_owners_user_alone(host, user):
    refused = host.run(f"sudo -u {user} {JOB}")
    assert refused.rc != 0
    assert "these jobs run as freelance-owner" in refused.stderr


def test_cron_runs_and_its_files_are_closed_and_hold_no_secret(host, crontab):
    assert "10 1 * * * freelance-owner /usr/local/sbin/freelance-job application roll_up_statistics" in crontab
    for path in (CRONTAB, "/etc/freelance-application.json"):
        file = host.file(path)
        assert (file.user, file.mode) == ("root", 0o644)
        assert not re.search(r"(?i)password|secret|test-freelance", file.content_string)
    assert host.service("cron").is_running
    assert host.service("cron").is_enabled
