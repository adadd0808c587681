"""Other settings than the defaults have their effect."""

import json


def test_a_snapshot_lies_where_it_was_wanted(host):
    done = host.run("cd / && sudo -u postgres freelance-maintenance statements")
    assert done.rc == 0, done.stderr
    assert json.loads(host.file("/srv/outcomes/statements.json").content_string)["exit_status"] == 0
    assert host.file("/srv/metrics/freelance_maintenance_statements.prom").exists
    assert host.check_output("ls /srv/outcomes/statements").startswith("statements_")


def test_cron_and_program_know_the_schedule(host):
    schedule = "15 3 * * 0"
    crontab = host.file("/etc/cron.d/freelance-maintenance").content_string
    assert f"{schedule} postgres /usr/local/sbin/freelance-maintenance reindex" in crontab
    config = json.loads(host.file("/etc/freelance-maintenance.json").content_string)
    assert config["schedules"]["reindex"] == schedule
    assert (config["window_start_hour"], config["window_end_hour"], config["keep_days"]) == (22, 4, 7)


def test_a_job_that_is_not_wanted_is_nowhere(host):
    config = json.loads(host.file("/etc/freelance-maintenance.json").content_string)
    assert set(config["schedules"]) == {"reindex", "statements", "capacity"}
    assert not host.package("pgbadger").is_installed
    crontab = host.file("/etc/cron.d/freelance-maintenance").content_string
    assert [line.split()[7] for line in crontab.splitlines() if " postgres " in line] == [
        "reindex",
        "statements",
        "capacity",
        "catch-up",
    ]
