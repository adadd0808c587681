"""What can be made of a dump: it is verified, restored beside the live database, into an empty cluster; or refused."""

import re

import pytest

DUMPS = "/var/backups/postgresql"
SCRATCH = "/var/lib/postgresql/scratch"
FOLDER = "/srv/restore"
CONFIG = f"{FOLDER}/empty.json"
# In the place of pg_restore: ends who called it once the tables are there, as a host that is lost does.
KILLED = """\
#!/bin/sh
case "$*" in
*--exit-on-error*) /usr/bin/pg_restore --section=pre-data "$@"; kill -KILL $PPID;;
*) exec /usr/bin/pg_restore "$@";;
esac
"""
TRUTH = "select answer from goods union select answer from hidden union select answer from apart.kept order by 1"


@pytest.fixture(scope="module")
def dump(host):
    """Path of a dump of a database with a partitioned table and a role's grant."""
    host.run(f"install -d -o postgres -g postgres -m 700 {FOLDER}")
    host.check_output(
        "cd / && sudo -u postgres psql -q shop <<'EOF'\n"
        "CREATE TABLE visits (number int PRIMARY KEY) PARTITION BY RANGE (number);\n"
        "CREATE TABLE visits_low PARTITION OF visits FOR VALUES FROM (0) TO (10);\n"
        "CREATE TABLE visits_high PARTITION OF visits FOR VALUES FROM (10) TO (20);\n"
        "INSERT INTO visits SELECT generate_series(1, 19);\n"
        "CREATE TABLE notes (visit int REFERENCES visits);\n"
        "INSERT INTO notes VALUES (7);\n"
        "GRANT SELECT ON goods TO clerk;\n"
        # As in the platform: a view that its owner fills from a table whose policies hold for the owner too.
        "CREATE TABLE ledger AS SELECT 5 AS amount;\n"
        "ALTER TABLE ledger OWNER TO clerk;\n"
        "ALTER TABLE ledger ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;\n"
        "CREATE POLICY everything ON ledger TO clerk USING (true);\n"
        "CREATE MATERIALIZED VIEW totals AS SELECT sum(amount) AS total FROM ledger;\n"
        "ALTER MATERIALIZED VIEW totals OWNER TO clerk;\n"
        "EOF"
    )
    host.check_output("cd / && sudo -u postgres freelance-backup --here dump")
    dump = host.check_output(f"ls -t {DUMPS}/full_backup_shop_*.dump | head -n 1")
    # What looks like one.
    made = (
        f"cd {FOLDER} && pg_dump -f plain.sql shop && pg_dump -Ft -f archive.tar shop && head -c -200 {dump} > cut"
        " && sed s:/run/postgresql:/run/two: /etc/freelance-backup.json > replica.json"
    )
    host.check_output(f"cd / && sudo -u postgres sh -c '{made}'")
    yield dump
    gone = "-c 'DROP TABLE notes, visits, ledger CASCADE' -c 'REVOKE ALL ON goods FROM clerk'"
    host.check_output(f"cd / && sudo -u postgres psql -qd shop {gone}")
    host.run(f"rm -rf {FOLDER}")


def databases(as_postgres, port=5432):
    listed = f"psql -XAtq -p {port} -c 'select datname from pg_database order by 1'"  # noqa: S608  a number
    return as_postgres(listed).stdout.split()


def left_behind(host):
    return host.check_output(f"ls -A {DUMPS} {SCRATCH} | grep -vE '^(full_backup|schema|globals|/)|^$' || true").split()


def test_a_dump_is_verified_and_nothing_stays(host, as_postgres, dump):
    before = databases(as_postgres)
    done = as_postgres(f"freelance-restore verify {dump}")
    assert done.rc == 0, done.stderr
    assert "tables 8, rows 24, foreign_keys 1" in done.stdout
    assert "compared_rows 1, differing_rows 0, newer_rows 0, application psql " in done.stdout
    assert ": clerk|f, seconds " in done.stdout
    assert (databases(as_postgres), left_behind(host)) == (before, [])
    assert host.run("pgrep -f '[/]scratch/server/'").rc != 0


def test_a_dump_that_does_not_restore_is_told_and_nothing_stays(host, as_postgres, dump):
    host.check_output(f"install -o postgres /dev/null {FOLDER}/none.sql")
    done = as_postgres(f"freelance-restore verify --globals {FOLDER}/none.sql {dump}")
    assert done.rc == 1
    assert 'role "clerk" does not exist' in done.stderr
    assert left_behind(host) == []
    assert host.run("pgrep -f '[/]scratch/server/'").rc != 0


def test_a_dump_that_is_gone_here_is_taken_from_the_repository(host, as_postgres, dump):
    host.check_output(f"mv {dump} {FOLDER}/kept")
    name = dump.rpartition("/")[2]
    try:
        done = as_postgres(f"freelance-restore verify {name}")
        # A passphrase that is given counts before pgBackRest's own settings.
        refused = as_postgres(f"sh -c 'echo wrong | freelance-restore --passphrase-stdin verify {name}'")
    finally:
        host.check_output(f"mv {FOLDER}/kept {dump}")
    assert done.rc == 0, done.stderr
    assert (refused.rc, left_behind(host)) == (1, [])
    assert "can't be read" in refused.stderr


def test_a_database_comes_back_beside_the_live_one(as_postgres, dump):
    done = as_postgres(f"freelance-restore beside --into side_whole {dump}")
    assert done.rc == 0, done.stderr
    assert as_postgres(f"psql -XAtqd side_whole -c '{TRUTH}'").stdout.split() == ["42", "43", "44"]
    assert as_postgres("psql -XAtqd side_whole -c 'select total from totals'").stdout.strip() == "5"
    again = as_postgres(f"freelance-restore beside --into side_whole {dump}")
    assert (again.rc, "side_whole exists" in again.stderr) == (1, True)
    as_postgres("dropdb side_whole")


def test_one_table_comes_back_with_its_partitions(as_postgres, dump):
    done = as_postgres(f"freelance-restore beside --into side_table --table public.visits {dump}")
    assert done.rc == 0, done.stderr
    count = "psql -XAtqd side_table -c 'select (select count(*) from visits), (select count(*) from goods)'"
    assert as_postgres(count).stdout.strip() == "19|0"
    as_postgres("dropdb side_table")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"verify {FOLDER}/none.dump", "no such file; the newest dumps here: /var/backups"),
        ("verify full_backup_shop_20110101_000000.dump", "holds no full_backup_shop_20110101_000000.dump"),
        (f"verify {FOLDER}/plain.sql", "a dump of pg_dump --format=custom is wanted"),
        (f"verify {FOLDER}/archive.tar", "has the format TAR"),
        (f"verify {FOLDER}/cut", "is damaged or cut off after"),
        ("beside --into shop DUMP", "a side database has a name of its own"),
        ("beside --into beside_it --table public.visit DUMP", "is not in .*one of public.visits"),
        ("cluster DUMP", r"the database shop holds \d tables, an empty cluster is wanted"),
        (f"--config {FOLDER}/replica.json beside --into beside_it DUMP", "is a replica"),
    ],
)
def test_what_can_not_be_restored_is_refused(host, as_postgres, dump, words, said):
    before = databases(as_postgres)
    done = as_postgres(f"freelance-restore {words.replace('DUMP', dump)}")
    assert done.rc == 1, done.stdout
    assert re.search(said, done.stderr), done.stderr
    assert (databases(as_postgres), left_behind(host)) == (before, [])


def test_an_empty_cluster_gets_its_roles_and_the_database(host, as_postgres, dump):
    settings = "-o shared_preload_libraries=pg_stat_statements -o log_statement=all -o log_min_duration_statement=0"
    host.check_output(f"pg_createcluster --user postgres 17 empty --port 5444 {settings} --start")
    host.check_output(f'sed \'s/"port": 5432/"port": 5444/\' /etc/freelance-backup.json > {CONFIG}')
    host.check_output(f"chmod 644 {CONFIG}")
    try:
        # A play has made the database before, with nothing in it.
        as_postgres("createdb --port 5444 shop")
        # Globals that fail halfway leave no role behind, which would be taken for one that is there.
        as_postgres(f"sh -c 'echo \"CREATE ROLE clerk; GRANT nobody TO clerk;\" > {FOLDER}/half.sql'")
        half = as_postgres(f"freelance-restore --config {CONFIG} cluster --globals {FOLDER}/half.sql {dump}")
        assert (half.rc, 'role "nobody" does not exist' in half.stderr) == (1, True), half.stderr
        checked = as_postgres(f"freelance-restore --config {CONFIG} --check cluster {dump}")
        assert (checked.rc, "nothing speaks against it" in checked.stdout) == (0, True), checked.stderr
        roles = "psql -XAtq -p 5444 -c \"select rolname from pg_roles where rolname = 'clerk'\""
        assert as_postgres(roles).stdout == ""
        host.check_output(f"cat > {FOLDER}/pg_restore <<'END'\n{KILLED}END")
        host.check_output(f"chmod 755 {FOLDER}/pg_restore")
        restore = f"/usr/local/sbin/freelance-restore --config {CONFIG} cluster {dump}"
        assert as_postgres(f"env PATH={FOLDER}:/usr/bin:/bin {restore}").rc != 0
        assert {"shop", "shop__partial"} <= set(databases(as_postgres, 5444))
        # Nothing has its name that is not whole; run again, it goes on.
        assert as_postgres("psql -XAtq -p 5444 -d shop -c \"select to_regclass('goods')\"").stdout.strip() == ""
        done = as_postgres(restore)
        assert done.rc == 0, done.stderr
        assert as_postgres(f"psql -XAtq -p 5444 -d shop -c '{TRUTH}'").stdout.split() == ["42", "43", "44"]
        assert as_postgres(roles).stdout.strip() == "clerk"
        assert databases(as_postgres, 5444) == ["postgres", "shop", "template0", "template1"]
        again = as_postgres(restore)
        assert (again.rc, "8 tables" in again.stderr) == (1, True), again.stderr
        # Verifiers came with the roles, and were kept nowhere else.
        verifiers = "select count(*) from pg_authid where rolpassword like 'SCRAM%'"
        assert int(as_postgres(f'psql -XAtq -p 5444 -c "{verifiers}"').stdout) > 0
        as_postgres("psql -p 5444 -qc 'create extension pg_stat_statements'")
        statements = as_postgres("psql -XAtq -p 5444 -c 'select query from pg_stat_statements'").stdout
        for kept in (statements, host.file("/var/log/postgresql/postgresql-17-empty.log").content_string):
            assert "CREATE DATABASE shop" in kept
            assert "SCRAM-SHA-256$" not in kept
    finally:
        host.run("pg_dropcluster --stop 17 empty")
