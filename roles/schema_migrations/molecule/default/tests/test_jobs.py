"""The application's daily jobs run for real, by cron's own lines; what failed is told and the folders are closed."""

import json
import re

import pytest

STATUS = "/var/lib/freelance-application"
ARCHIVE = "/var/backups/freelance-application"
CRONTAB = "/etc/cron.d/freelance-application"
JOBS = ["roll_up_statistics", "refresh_statistics_views", "maintain_partitions", "clearsessions"]


def outcome(host, job):
    return json.loads(host.file(f"{STATUS}/{job}.json").content_string)


def sql(host, query):
    result = host.run(f'sudo -u postgres psql -XAtc "{query}" freelance_platform')
    assert result.rc == 0, result.stderr
    return result.stdout.strip()


def as_cron_does(host, job):
    """Run a job by the crontab's own line, with cron's bare environment; returns its exit status."""
    schedule = r"^(?:[0-9*/,-]+ ){5}"
    [line] = [
        line for line in host.file(CRONTAB).content_string.splitlines() if re.search(rf"{schedule}.*\b{job}\b", line)
    ]
    user, command = re.sub(schedule, "", line).split(" ", 1)
    path = re.search(r"(?m)^PATH=(.*)$", host.file(CRONTAB).content_string)[1]
    return host.run(f"cd / && sudo -u {user} env -i PATH={path} /bin/sh -c %s", command).rc


def search_of_long_ago(host):
    """Add to a month that is no longer kept."""
    digest, month = "repeat('0', 64)", "date_trunc('month', now()) - interval '60 months'"
    columns = "created_at, session_digest, query_text, filters, result_count"
    sql(host, f"INSERT INTO gigs_gigsearchhistory ({columns}) SELECT {month}, {digest}, 'once', '{{}}', 0")


@pytest.mark.parametrize("job", JOBS)
def test_each_job_has_run_once_since_the_role_was_played(host, job):
    seen = outcome(host, job)
    assert seen["exit_status"] == 0
    assert seen["last_success_timestamp_seconds"] == seen["finished_timestamp_seconds"] > 0
    assert seen["duration_seconds"] > 0


@pytest.mark.parametrize("job", JOBS)
def test_each_job_runs_by_the_line_of_the_crontab(host, job):
    before = int(host.check_output("date +%s"))
    assert as_cron_does(host, job) == 0, host.run("journalctl -t freelance-application -n 30").stdout
    assert outcome(host, job)["finished_timestamp_seconds"] >= before
    assert f"{job} succeeded in " in host.run("journalctl -t freelance-application -n 30").stdout


def test_figures_of_yesterday_are_counted_by_the_night(host):
    days = "SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date - day FROM payments_paymentstat"
    sql(host, "DELETE FROM payments_paymentstat")
    assert as_cron_does(host, "roll_up_statistics") == 0
    assert sql(host, days) == "1"


def test_a_month_that_is_no_longer_kept_lies_in_the_archive_for_its_user_alone(host):
    search_of_long_ago(host)
    assert as_cron_does(host, "maintain_partitions") == 0
    folder = host.file(ARCHIVE)
    assert (folder.user, folder.group, folder.mode) == ("freelance", "freelance", 0o700)
    [name] = host.check_output(f"ls {ARCHIVE}").split()
    assert "once" in host.check_output(f"zcat {ARCHIVE}/{name}")
    assert sql(host, "SELECT count(*) FROM gigs_gigsearchhistory WHERE query_text = 'once'") == "0"


def test_a_failure_is_told_with_the_commands_own_words(host):
    good = outcome(host, "maintain_partitions")
    host.run_test(f"mv {ARCHIVE} {ARCHIVE}.away")
    try:
        assert as_cron_does(host, "maintain_partitions") != 0
        seen = outcome(host, "maintain_partitions")
        assert seen["exit_status"] == 1
        assert seen["last_success_timestamp_seconds"] == good["last_success_timestamp_seconds"]
        assert "no such folder" in host.run("journalctl -t freelance-application -n 20").stdout
    finally:
        host.run_test(f"mv {ARCHIVE}.away {ARCHIVE}")
    assert as_cron_does(host, "maintain_partitions") == 0


def test_two_runs_of_one_job_never_overlap(host):
    held = host.run(f"sudo -u freelance flock {STATUS}/clearsessions.lock freelance-job application clearsessions")
    assert held.rc == 75
    assert "still holds the lock" in held.stderr


def test_the_jobs_run_as_the_applications_user_alone(host):
    refused = host.run("/usr/local/sbin/freelance-job application clearsessions")
    assert refused.rc != 0
    assert "these jobs run as freelance" in refused.stderr


def test_cron_runs_and_reads_the_crontab(host):
    crontab = host.file(CRONTAB)
    assert (crontab.user, crontab.mode) == ("root", 0o644)
    assert "10 1 * * * freelance /usr/local/sbin/freelance-job application roll_up_statistics" in crontab.content_string
    assert host.service("cron").is_running
    assert host.service("cron").is_enabled


def test_neither_crontab_nor_settings_hold_a_secret(host):
    for path in (CRONTAB, "/etc/freelance-application.json"):
        assert not re.search(r"(?i)password|secret|test-freelance", host.file(path).content_string)
