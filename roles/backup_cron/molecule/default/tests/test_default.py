"""The jobs are run for real: what they leave can be restored, and a failure is seen."""

import email.policy
import json
import re
import time

import pytest

STATUS = "/var/lib/freelance-backup"
METRICS = "/var/lib/prometheus/node-exporter"
DUMPS = "/var/backups/postgresql"
MEMBERS = "/etc/members.json"
MAIL = "/var/lib/postgresql/mail"
FULL = "full_backup_shop_*.dump"
NAMES = {"globals": "sql", "schema_shop": "sql", "full_backup_shop": "dump"}


@pytest.fixture
def job(host, as_postgres):
    def run(name):
        done = as_postgres(f"freelance-backup {name}")
        outcome = json.loads(host.file(f"{STATUS}/{name}.json").content_string)
        return done, outcome

    return run


def newest(host, pattern):
    return host.check_output(f"ls -t {DUMPS}/{pattern} | head -1")


def test_there_is_one_dump_from_the_start(host):
    outcome = json.loads(host.file(f"{STATUS}/dump.json").content_string)
    assert outcome["exit_status"] == 0
    # One, though the role was played twice.
    assert len(host.check_output(f"ls {DUMPS}/{FULL}").split()) == 1


def test_the_dump_restores_with_its_roles_and_schema(host, as_postgres, job):
    done, outcome = job("dump")
    assert done.rc == outcome["exit_status"] == 0, done.stderr
    assert outcome["bytes"] > 0
    assert "CREATE ROLE clerk" in host.file(newest(host, "globals_*.sql")).content_string
    schema = host.file(newest(host, "schema_shop_*.sql")).content_string
    assert "CREATE TABLE public.goods" in schema
    assert re.search(r"-- The database took \d{7,} bytes\.\n$", schema)
    dump = newest(host, "full_backup_shop_*.dump")
    assert host.file(dump).mode == 0o600
    as_postgres("dropdb --if-exists side")
    assert as_postgres("createdb side").rc == 0
    assert as_postgres(f"pg_restore --exit-on-error --dbname=side {dump}").rc == 0
    everything = "select answer from goods union select answer from hidden union select answer from apart.kept"
    assert as_postgres(f"psql -qtA side -c '{everything} order by 1'").stdout.split() == ["42", "43", "44"]


def test_the_dump_is_taken_by_a_role_that_can_change_nothing(as_postgres):
    as_postgres("psql -qc 'alter system set log_connections = on' -c 'select pg_reload_conf()'")
    try:
        started = as_postgres("psql -qtAc 'select clock_timestamp()'").stdout.strip()
        assert as_postgres("freelance-backup dump").rc == 0
    finally:
        as_postgres("psql -qc 'alter system reset log_connections' -c 'select pg_reload_conf()'")
    log = as_postgres("cat /var/log/postgresql/postgresql-17-main.log").stdout.splitlines()
    seen = [line for line in log if line >= started[:19] and "connection authorized" in line]
    dumps = [line for line in seen if "application_name=pg_dump " in line + " "]
    assert dumps
    assert all("user=backup database=shop" in line for line in dumps), dumps
    assert as_postgres("psql -U backup -d shop -c 'delete from goods'").rc != 0


@pytest.fixture
def on_the_replica(host, as_postgres):
    """Configuration of a run on the replica, with dumps in a folder of its own; takes the tables apart afterwards."""
    change = "config = json.load(open('/etc/freelance-backup.json'));"
    change += " config.update(socket_dir='/run/two', dump_dir='/var/tmp/dumps', status_dir='/var/tmp/dumps',"
    change += " metrics_dir='/var/tmp/dumps'); json.dump(config, open('/run/replica.json', 'w'))"
    host.run_test("python3 -c %s", f"import json; {change}")
    host.run_test("install -d -o postgres -g postgres /var/tmp/dumps")
    # Enough of it for a dump to last some seconds.
    as_postgres("psql -q shop -c 'create table ballast as select generate_series(1, 6000000) as number'")
    written = as_postgres("psql -qtAc 'select pg_current_wal_lsn()'").stdout.strip()
    replayed = f"psql -qtAh /run/two -c \"select pg_last_wal_replay_lsn() >= '{written}'\""
    end = time.monotonic() + 60
    while as_postgres(replayed).stdout.strip() != "t":
        assert time.monotonic() < end, "the replica does not follow"
    yield "/run/replica.json"
    as_postgres("psql -q shop -c 'drop table ballast'")
    host.run("rm -rf /var/tmp/dumps /run/replica.json")


def test_a_dump_that_a_locked_table_ends_on_the_replica_is_taken_from_the_leader(host, as_postgres, on_the_replica):
    named = "select state from pg_stat_activity where application_name = 'pg_dump' and usename = 'backup'"
    host.run_test(f'echo "{named}" > /run/named.sql')
    host.run(f"cd / && sudo -u postgres freelance-backup --here --config {on_the_replica} dump >/run/dump.out 2>&1 &")
    reads = "select count(*) from pg_locks l join pg_stat_activity a using (pid)"
    reads += " where a.usename = 'backup' and l.relation = 'goods'::regclass and a.query ~ '^COPY'"
    host.run_test(f"cat > /run/reads.sql <<'EOF'\n{reads}\nEOF")
    asked = "sudo -u postgres psql -qtAh /run/two -f /run/reads.sql shop"
    seen = host.run(f"cd / && for i in $(seq 100); do [ $({asked}) = 1 ] && exit 0; sleep 0.05; done; exit 1")
    assert seen.rc == 0, host.file("/run/dump.out").content_string
    # By it the leader's upkeep knows of the dump.
    assert as_postgres("psql -qtAf /run/named.sql").stdout.split() == ["idle"]
    # The leader takes the table for itself, as a migration does, while the replica reads another.
    as_postgres("psql -q shop -c 'alter table goods add later int'")
    host.run("while pgrep -f '[f]reelance-backup --here' >/dev/null; do sleep 0.2; done")
    said = host.file("/run/dump.out").content_string
    assert "failed on this replica, it is taken from the leader" in said
    assert "conflict with recovery" in said
    assert "dump succeeded" in said
    assert host.run("ls /var/tmp/dumps/full_backup_shop_*.dump").rc == 0
    assert host.run("ls /var/tmp/dumps/*.partial").rc != 0
    gone = '[ -z "$(sudo -u postgres psql -qtAf /run/named.sql)" ]'
    host.run_test(f"cd / && timeout 10 sh -c 'until {gone}; do sleep 0.2; done'")


def test_the_password_for_the_leader_is_for_the_jobs_alone(host):
    passwords = host.file("/etc/freelance-backup.pgpass")
    assert (passwords.user, passwords.mode) == ("postgres", 0o600)


@pytest.mark.parametrize("kind", ["full", "diff", "incr"])
def test_a_physical_backup_lands_in_the_repository(as_postgres, job, kind):
    done, outcome = job(kind)
    assert done.rc == outcome["exit_status"] == 0, done.stderr
    [held] = json.loads(as_postgres("pgbackrest --stanza=main --output=json info").stdout)
    assert held["backup"][-1]["type"] == kind
    assert outcome["bytes"] == held["backup"][-1]["info"]["repository"]["delta"]


def test_a_backup_goes_behind_the_clients_of_the_server(as_postgres):
    begun = "freelance-backup incr >/dev/null 2>&1 &"
    seen = as_postgres(f"{begun} while kill -0 $! 2>/dev/null; do ps -o cls=,args= -C pgbackrest; done")
    classes = {line.split()[0] for line in seen.stdout.splitlines() if " backup" in line}
    assert classes == {"IDL"}, seen.stdout + seen.stderr


def test_a_backup_that_somebody_else_takes_is_waited_for(host, as_postgres):
    taking = "pgbackrest --stanza=main --type=full backup"
    host.run(f"cd / && sudo -u postgres {taking} >/dev/null 2>&1 &")
    begun = "ls /tmp/pgbackrest/main-backup*.lock 2>/dev/null"
    assert host.run(f"for i in $(seq 200); do {begun} && exit 0; sleep 0.05; done; exit 1").rc == 0
    # However long the job takes to begin: the other one holds its lock until it may go on.
    host.check_output(f"pkill -STOP -f '^{taking}'")
    try:
        done = as_postgres("freelance-backup incr")
    finally:
        # sudo, too, which stops with what it runs.
        host.run(f"pkill -CONT -f '{taking}'; while pgrep -f '^{taking}' >/dev/null; do sleep 0.2; done")
    told = "incr postponed: repository 1: pgbackrest ended with exit status 50"
    assert (done.rc, told in done.stdout) == (75, True), done.stdout + done.stderr


def test_a_backup_of_a_damaged_page_has_failed_and_names_its_file(host, as_postgres, job):
    table = "create table brittle with (autovacuum_enabled = off) as select generate_series(1, 1000)"
    as_postgres(f"psql -q shop -c '{table}' -c checkpoint")
    path = as_postgres("psql -qtA shop -c \"select pg_relation_filepath('brittle')\"").stdout.strip()
    file = f"/var/lib/postgresql/17/main/{path}"
    try:
        host.run_test(f"printf damage | dd of={file} conv=notrunc seek=8000 bs=1 status=none")
        done, outcome = job("incr")
    finally:
        as_postgres("psql -q shop -c 'drop table brittle'")
    assert done.rc == outcome["exit_status"] != 0
    assert f"holds pages with a wrong checksum, as the database does:\n{path}" in done.stderr, done.stderr
    done, _ = job("incr")
    assert done.rc == 0, done.stderr


@pytest.fixture
def segments(host):
    """Paths of the archived segments, in order."""
    return host.check_output("find /var/lib/pgbackrest/archive -name '00*-*' -type f | sort").split()


def test_what_the_repository_holds_is_verified(job):
    done, outcome = job("verify")
    assert done.rc == outcome["exit_status"] == 0, done.stdout + done.stderr
    assert outcome["bytes"] > 0


@pytest.mark.parametrize("number", [0, 2], ids=["the first", "a later one"])
def test_a_damaged_segment_is_named(host, segments, damage, job, number):
    damage(segments[number], at=9)  # in the salt: it can't be opened at all
    done, outcome = job("verify")
    assert done.rc == outcome["exit_status"] != 0
    assert segments[number].rpartition("/")[2] in host.run("journalctl -t freelance-backup -n 40").stdout


def test_a_lost_segment_is_named_with_its_neighbours(segments, damage, job):
    damage(segments[2], lost=True)
    done, outcome = job("verify")
    assert done.rc == outcome["exit_status"] != 0
    before, lost, after = (segments[number].rpartition("/")[2][:24] for number in (1, 2, 3))
    assert f"WAL {lost} is missing (after {before}, before {after})" in done.stderr


def test_a_lost_file_of_a_backup_is_named(host, damage, job):
    file = host.check_output("find /var/lib/pgbackrest/backup/main/*F/pg_data/base -type f | sort | head -1")
    damage(file, lost=True)
    done, _ = job("verify")
    assert done.rc != 0
    assert f"file missing '{file.removeprefix('/var/lib/pgbackrest/backup/main/')}'" in done.stderr


def test_a_job_that_was_missed_runs_at_the_next_chance_and_none_twice(host, as_postgres):
    for name in ("dump", "full", "diff", "incr", "verify", "marker", "drill"):
        as_postgres(f"touch -d '1 minute ago' {STATUS}/{name}.answered")
    assert as_postgres("freelance-backup catch-up").stdout == ""
    as_postgres(f"touch -d '2 days ago' {STATUS}/dump.answered")
    before = int(host.check_output("date +%s"))
    done = as_postgres("freelance-backup catch-up")
    assert (done.rc, "dump: was missed" in done.stdout) == (0, True), done.stdout + done.stderr
    outcome = json.loads(host.file(f"{STATUS}/dump.json").content_string)
    assert outcome["last_success_timestamp_seconds"] >= before
    assert as_postgres("freelance-backup catch-up").stdout == ""


def test_a_missed_backup_that_the_repository_holds_since_is_not_taken_again(as_postgres, job):
    job("full")
    held = json.loads(as_postgres("pgbackrest --stanza=main --output=json info").stdout)[0]["backup"]
    for name in ("diff", "incr"):
        as_postgres(f"touch -d '30 days ago' {STATUS}/{name}.answered")
    done = as_postgres("freelance-backup catch-up")
    assert done.stdout.count("did not run here, the repository holds a backup since") == 2, done.stdout + done.stderr
    assert json.loads(as_postgres("pgbackrest --stanza=main --output=json info").stdout)[0]["backup"] == held


def test_the_node_exporter_can_read_the_outcome(host, job):
    _, outcome = job("dump")
    metrics = host.run(f"sudo -u nobody cat {METRICS}/freelance_backup_dump.prom").stdout
    assert 'freelance_backup_exit_status{job="dump"} 0' in metrics
    for name in ("duration_seconds", "bytes"):
        assert outcome[name] > 0
        assert f'freelance_backup_{name}{{job="dump"}} {outcome[name]}' in metrics.splitlines()
    assert 'freelance_backup_last_success_timestamp_seconds{job="dump"} 1' in metrics


def test_a_failure_is_told_with_the_tools_own_words_and_removes_nothing(host, as_postgres, job):
    job("dump")
    before = host.check_output(f"ls {DUMPS}")
    as_postgres(f"touch -d '40 days ago' {DUMPS}/globals_20200101_020000.sql")
    host.run_test(f"rm -f {MAIL}")
    try:
        as_postgres("psql -qc 'alter database shop rename to away'")
        done, outcome = job("dump")
        assert done.rc == outcome["exit_status"] != 0
        assert outcome["last_success_timestamp_seconds"] > 0
        assert 'database "shop" does not exist' in host.run("journalctl -t freelance-backup -n 20").stdout
        mail = email.message_from_string(host.file(MAIL).content_string, policy=email.policy.default)
        assert mail["To"] == "operators@example.test, second@example.test"
        assert mail["Subject"] == f"freelance-backup: dump failed on {outcome['host']}"
        assert 'database "shop" does not exist' in mail.get_content()
        assert host.file(f"{DUMPS}/globals_20200101_020000.sql").exists
    finally:
        as_postgres("psql -qc 'alter database away rename to shop'")
        as_postgres(f"rm -f {DUMPS}/globals_20200101_020000.sql")
    job("dump")
    assert set(before.split()) <= set(host.check_output(f"ls {DUMPS}").split())
    assert host.run(f"ls {DUMPS}/*.partial").rc != 0


def test_old_files_are_compressed_after_7_days_and_removed_after_30(host, as_postgres, job):
    aged = {
        "globals_20200108_020000.sql": 8,
        "schema_shop_20200131_020000.sql": 31,
        "full_backup_shop_20200129_020000.dump": 29,
        "full_backup_shop_20200131_020000.dump": 31,
        "note.txt": 99,
    }
    newer = [f"{what}_2021010{n}_020000.{form}" for n in range(1, 8) for what, form in NAMES.items()]
    as_postgres(f"sh -c 'cd {DUMPS} && touch {' '.join(newer)}'")
    for name, days in aged.items():
        as_postgres(f"touch -d '{days} days ago' {DUMPS}/{name}")
    job("dump")
    left = set(host.check_output(f"ls {DUMPS}").split())
    assert {"globals_20200108_020000.sql.gz", "full_backup_shop_20200129_020000.dump", "note.txt"} <= left
    assert not {"schema_shop_20200131_020000.sql", "full_backup_shop_20200131_020000.dump"} & left
    as_postgres(f"sh -c 'cd {DUMPS} && rm -f *_2020* *_2021* note.txt'")


def test_the_newest_dumps_stay_whatever_their_age(host, as_postgres, job):
    as_postgres(f"sh -c 'rm -f {DUMPS}/*'")
    names = [f"full_backup_shop_2020010{n}_020000.dump" for n in range(1, 10)]
    for name in names:
        as_postgres(f"touch -d '99 days ago' {DUMPS}/{name}")
    job("dump")
    left = host.check_output(f"ls {DUMPS} | grep ^full").split()
    assert left[:-1] == names[3:], "seven of them: the new one and the newest six"
    as_postgres(f"sh -c 'rm -f {DUMPS}/*_2020*'")


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
    assert "still holds the lock" in held.stdout


def test_physical_jobs_wait_for_each_other(as_postgres):
    held = as_postgres(f"flock {STATUS}/physical.lock freelance-backup verify")
    assert (held.rc, "still holds the lock physical" in held.stdout) == (75, True)


def test_root_is_refused(host):
    assert "started as root" in host.run("/usr/local/sbin/freelance-backup dump").stderr


def test_cron_runs_the_job_by_itself(host):
    """A line for every minute, beside the role's own: the same program, started by cron with its bare environment."""
    crontab = host.file("/etc/cron.d/freelance-backup")
    assert crontab.mode == 0o644
    assert "0 2 * * * postgres /usr/local/sbin/freelance-backup dump" in crontab.content_string
    every_minute = "sed -n 's/^0 2 /* * /; /^[A-Z]\\|dump/p' /etc/cron.d/freelance-backup > /etc/cron.d/every-minute"
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
