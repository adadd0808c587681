"""The jobs are run for real: what they leave can be restored, and a failure is seen."""

import json

import pytest

STATUS = "/var/lib/freelance-backup"
METRICS = "/var/lib/prometheus/node-exporter"
DUMPS = "/var/backups/postgresql"
MEMBERS = "/etc/members.json"


@pytest.fixture
def as_postgres(host):
    def run(command):
        return host.run(f"cd / && sudo -u postgres {command}")

    return run


@pytest.fixture
def job(host, as_postgres):
    def run(name):
        done = as_postgres(f"freelance-backup {name}")
        outcome = json.loads(host.file(f"{STATUS}/{name}.json").content_string)
        return done, outcome

    return run


def newest(host, pattern):
    return host.check_output(f"ls -t {DUMPS}/{pattern} | head -1")


def test_the_dump_restores_with_its_roles_and_schema(host, as_postgres, job):
    done, outcome = job("dump")
    assert done.rc == outcome["exit_status"] == 0, done.stderr
    assert outcome["bytes"] > 0
    assert "CREATE ROLE clerk" in host.file(newest(host, "globals_*.sql")).content_string
    assert "CREATE TABLE public.goods" in host.file(newest(host, "schema_shop_*.sql")).content_string
    dump = newest(host, "full_backup_shop_*.dump")
    assert host.file(dump).mode == 0o600
    as_postgres("dropdb --if-exists side")
    assert as_postgres("createdb side").rc == 0
    assert as_postgres(f"pg_restore --exit-on-error --dbname=side {dump}").rc == 0
    assert as_postgres("psql -qtA side -c 'select answer from goods'").stdout.strip() == "42"


@pytest.mark.parametrize("kind", ["full", "diff"])
def test_a_physical_backup_lands_in_the_repository(as_postgres, job, kind):
    done, outcome = job(kind)
    assert done.rc == outcome["exit_status"] == 0, done.stderr
    [held] = json.loads(as_postgres("pgbackrest --stanza=main --output=json info").stdout)
    assert held["backup"][-1]["type"] == kind
    assert outcome["bytes"] == held["backup"][-1]["info"]["repository"]["delta"]


def test_the_node_exporter_can_read_the_outcome(host, job):
    job("dump")
    metrics = host.run(f"sudo -u nobody cat {METRICS}/freelance_backup_dump.prom").stdout
    assert 'freelance_backup_exit_status{job="dump"} 0' in metrics
    assert 'freelance_backup_last_success_timestamp_seconds{job="dump"} 1' in metrics


def test_a_failure_is_told_with_the_tools_own_words_and_removes_nothing(host, as_postgres, job):
    job("dump")
    before = host.check_output(f"ls {DUMPS}")
    as_postgres(f"touch -d '40 days ago' {DUMPS}/globals_20200101_020000.sql")
    try:
        as_postgres("psql -qc 'alter database shop rename to away'")
        done, outcome = job("dump")
        assert done.rc == outcome["exit_status"] == 1
        assert outcome["last_success_timestamp_seconds"] > 0
        assert 'database "shop" does not exist' in host.run("journalctl -t freelance-backup -n 20").stdout
        assert host.file(f"{DUMPS}/globals_20200101_020000.sql").exists
    finally:
        as_postgres("psql -qc 'alter database away rename to shop'")
        as_postgres(f"rm -f {DUMPS}/globals_20200101_020000.sql")
    job("dump")
    assert set(before.split()) <= set(host.check_output(f"ls {DUMPS}").split())
    assert host.run(f"ls {DUMPS}/*.partial").rc != 0


def test_old_files_are_compressed_after_7_days_and_removed_after_30(host, as_postgres, job):
    aged = {
        "globals_a.sql": 8,
        "schema_shop_a.sql": 31,
        "full_backup_shop_a.dump": 29,
        "full_backup_shop_b.dump": 31,
        "note.txt": 99,
    }
    for name, days in aged.items():
        as_postgres(f"touch -d '{days} days ago' {DUMPS}/{name}")
    job("dump")
    left = set(host.check_output(f"ls {DUMPS}").split())
    assert {"globals_a.sql.gz", "full_backup_shop_a.dump", "note.txt"} <= left
    assert not {"globals_a.sql", "schema_shop_a.sql", "full_backup_shop_b.dump"} & left
    as_postgres(f"rm {DUMPS}/globals_a.sql.gz {DUMPS}/full_backup_shop_a.dump {DUMPS}/note.txt")


def test_a_host_that_is_not_chosen_does_nothing(host, as_postgres):
    members = host.file(MEMBERS).content_string
    before = host.check_output(f"ls {DUMPS}")
    host.run(f'sed -i \'s/elsewhere/aaa/; s/Leader/Replica/; s/running/streaming", "Lag in MB": 0, "x": "/\' {MEMBERS}')
    try:
        done = as_postgres("freelance-backup dump")
        assert (done.rc, "aaa acts" in done.stdout) == (0, True), done.stdout + done.stderr
        assert host.check_output(f"ls {DUMPS}") == before
    finally:
        host.run(f"cat > {MEMBERS} <<'EOF'\n{members}\nEOF")


def test_two_runs_of_one_job_never_overlap(as_postgres):
    held = as_postgres(f"flock {STATUS}/dump.lock freelance-backup dump")
    assert held.rc == 75
    assert "still holds the lock" in held.stderr


def test_root_is_refused(host):
    assert "started as root" in host.run("/usr/local/sbin/freelance-backup dump").stderr


def test_cron_runs_the_job_by_itself(host):
    """A line for every minute, beside the role's own: the same program, started by cron with its bare environment."""
    crontab = host.file("/etc/cron.d/freelance-backup")
    assert crontab.mode == 0o644
    assert "0 2 * * * postgres /usr/local/sbin/freelance-backup dump" in crontab.content_string
    every_minute = "sed 's/^0 2 /* * /; /full$\\|diff$/d' /etc/cron.d/freelance-backup > /etc/cron.d/every-minute"
    started = int(host.check_output("date +%s"))
    host.run_test(every_minute)
    try:
        host.run_test(f"timeout 90 sh -c 'until [ $(stat -c %Y {STATUS}/dump.json) -gt {started} ]; do sleep 1; done'")
    finally:
        host.run("rm -f /etc/cron.d/every-minute")
    outcome = json.loads(host.file(f"{STATUS}/dump.json").content_string)
    assert outcome["exit_status"] == 0
    assert outcome["finished_timestamp_seconds"] >= started
    assert host.service("cron").is_running
    assert host.service("cron").is_enabled
