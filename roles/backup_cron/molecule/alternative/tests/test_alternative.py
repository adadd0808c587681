"""Dumps alone: where they lie, who takes them, how they age, and what such a host has not got."""

import json

import pytest

DUMPS = "/srv/dumps"


@pytest.fixture
def as_postgres(host):
    def run(command):
        return host.run(f"cd / && sudo -u postgres {command}")

    return run


def test_the_first_dump_lies_in_the_declared_folder_for_postgres_alone(host):
    folder = host.file(DUMPS)
    assert (folder.user, folder.mode) == ("postgres", 0o700)
    scratch = host.file("/srv/scratch")
    assert (scratch.user, scratch.mode) == ("postgres", 0o700)
    [dump] = host.check_output(f"ls {DUMPS}/full_backup_*.dump").split()
    assert dump.startswith(f"{DUMPS}/full_backup_shop_")
    assert (host.file(dump).user, host.file(dump).mode) == ("postgres", 0o600)


def test_the_declared_role_dumps_what_row_security_hides(host, as_postgres):
    made = "create table if not exists hidden as select 4711 as answer; alter table hidden enable row level security"
    assert as_postgres(f"psql -qp 5433 -d shop -c '{made}' -c 'alter table hidden force row level security'").rc == 0
    done = as_postgres("freelance-backup dump")
    assert done.rc == 0, done.stderr
    newest = host.check_output(f"ls -t {DUMPS}/full_backup_shop_*.dump | head -1")
    assert "\n4711\n" in as_postgres(f"pg_restore --file=- {newest}").stdout


def test_the_outcome_lies_in_the_declared_folders(host, as_postgres):
    as_postgres("freelance-backup dump")
    outcome = json.loads(host.file("/srv/outcomes/dump.json").content_string)
    assert (outcome["exit_status"], outcome["host"]) == (0, "backup-cron-alternative-1")
    metrics = host.run("sudo -u nobody cat /srv/metrics/freelance_backup_dump.prom").stdout
    assert 'freelance_backup_exit_status{job="dump"} 0' in metrics


def test_files_age_by_the_declared_days_and_count(host, as_postgres):
    aged = {
        "full_backup_shop_20200101_020000.dump": 4,  # the third: beyond the count and the days
        "full_backup_shop_20200102_020000.dump": 4,
        "globals_20200101_020000.sql": 4,
        "globals_20200102_020000.sql": 4,
        "schema_shop_20200101_020000.sql": 2,  # beyond the count alone
        "schema_shop_20200102_020000.sql": 0,
    }
    as_postgres(f"sh -c 'rm -f {DUMPS}/*'")
    for name, days in aged.items():
        as_postgres(f"touch -d '{days} days ago' {DUMPS}/{name}")
    assert as_postgres("freelance-backup dump").rc == 0
    left = host.check_output(f"ls {DUMPS} | grep _2020").split()
    as_postgres(f"sh -c 'rm -f {DUMPS}/*_2020*'")
    assert left == [
        "full_backup_shop_20200102_020000.dump",
        "globals_20200102_020000.sql.gz",
        "schema_shop_20200101_020000.sql.gz",
        "schema_shop_20200102_020000.sql",
    ]


def test_cron_has_the_dump_at_its_time_and_no_other_job(host):
    crontab = host.file("/etc/cron.d/freelance-backup").content_string.splitlines()
    jobs = [line for line in crontab if " postgres " in line and not line.startswith("#")]
    assert jobs == [
        "15 4 * * 6 postgres /usr/local/sbin/freelance-backup dump >/dev/null 2>&1",
        "*/15 * * * * postgres /usr/local/sbin/freelance-backup catch-up >/dev/null 2>&1",
    ]


def test_without_a_leader_to_fall_back_to_there_is_no_password(host):
    assert not host.file("/etc/freelance-backup.pgpass").exists


@pytest.mark.parametrize(
    "path",
    [
        *("/var/backups/postgresql", "/var/lib/freelance-backup", "/var/lib/prometheus/node-exporter"),
        "/var/lib/postgresql/scratch",
    ],
)
def test_nothing_is_left_where_it_would_lie_otherwise(host, path):
    assert not host.file(path).exists
