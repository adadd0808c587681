import os
import subprocess
from pathlib import Path

import pytest

PASSWORDS = {
    "freelance_migrator": "molecule-secret-2",
    "freelance_staff": "molecule-secret-3",
    "freelance_user": "molecule-secret-4",
    "pgbouncer_auth": "molecule-secret-6",
    "reporting_user": "molecule-secret-8",
}
TLS = "sslmode=verify-full sslrootcert=/etc/ssl/platform/ca.crt"


def query(host, role, sql, *, tls=TLS):
    """Ask over TCP as a role; returns the finished command."""
    return host.run(
        "PGPASSFILE=/etc/clients.pgpass psql -XAtq -v ON_ERROR_STOP=1 %s -c %s",
        f"host=direct.test dbname=freelance_platform user={role} {tls}",
        sql,
    )


def administer(host, sql, database="freelance_platform"):
    """Run SQL as the superuser by the local socket; returns its output."""
    done = host.run("cd / && sudo -u postgres psql -XAtq -v ON_ERROR_STOP=1 -d %s -c %s", database, sql)
    assert done.rc == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def tables(host):
    """Tables that a migration would make: as the migrator, who takes the owner's part."""
    made = query(
        host,
        "freelance_migrator",
        "SET ROLE freelance_owner; CREATE TABLE IF NOT EXISTS people (id int GENERATED ALWAYS AS IDENTITY, name text,"
        " password text); CREATE TABLE IF NOT EXISTS money_ledger (amount int)",
    )
    assert made.rc == 0, made.stderr
    # An exception is a table's own: the migration takes back what all other tables give.
    administer(
        host,
        "REVOKE UPDATE, DELETE ON money_ledger FROM freelance_user; REVOKE SELECT ON people FROM reporting_user;"
        " GRANT SELECT (id, name) ON people TO reporting_user",
    )


def play(*options):
    """Play the scenario's converge.yml once more; returns the finished command."""
    playbook = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "converge.yml"
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(
        ["ansible-playbook", "-i", inventory, playbook, "--diff", *options],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


@pytest.mark.usefixtures("tables")
def test_the_application_reads_and_writes_but_changes_no_structure(host):
    written = query(host, "freelance_user", "INSERT INTO people (name) VALUES ('王'); SELECT name FROM people LIMIT 1")
    assert (written.rc, written.stdout.strip()) == (0, "王"), written.stderr
    for refused in (
        "TRUNCATE people",
        "DROP TABLE people",
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE t (id int)",
    ):
        assert query(host, "freelance_user", refused).rc != 0, refused


@pytest.mark.usefixtures("tables")
def test_the_ledger_is_append_only(host):
    assert query(host, "freelance_user", "INSERT INTO money_ledger VALUES (1)").rc == 0
    assert "permission denied" in query(host, "freelance_user", "DELETE FROM money_ledger").stderr


@pytest.mark.usefixtures("tables")
def test_reports_read_all_but_the_excepted_columns(host):
    assert query(host, "reporting_user", "SELECT id, name FROM people").rc == 0
    assert "permission denied" in query(host, "reporting_user", "SELECT password FROM people").stderr
    assert query(host, "reporting_user", "INSERT INTO people (name) VALUES ('x')").rc != 0


def test_the_migrator_has_to_take_the_owners_part(host):
    assert "permission denied" in query(host, "freelance_migrator", "CREATE TABLE public.mine (id int)").stderr


HAND_OVER = """
SET ROLE freelance_owner;
CREATE FUNCTION who_acts() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text';
GRANT CREATE ON SCHEMA public TO {owner};
ALTER FUNCTION who_acts() OWNER TO {owner};
REVOKE CREATE ON SCHEMA public FROM {owner};
"""
OWNERS_OF_FUNCTIONS = ["freelance_ledger", "audit_owner"]


@pytest.mark.parametrize("owner", OWNERS_OF_FUNCTIONS)
def test_a_migration_hands_functions_over_to_ledger_and_audit(host, owner):
    handed = query(host, "freelance_migrator", HAND_OVER.format(owner=owner))
    assert handed.rc == 0, handed.stderr
    answer = query(host, "freelance_user", "SELECT who_acts()")
    dropped = query(host, "freelance_migrator", "SET ROLE freelance_owner; DROP FUNCTION who_acts()")
    assert (answer.rc, answer.stdout.strip()) == (0, owner), answer.stderr
    assert dropped.rc == 0, dropped.stderr


@pytest.mark.parametrize("owner", OWNERS_OF_FUNCTIONS)
def test_nobody_has_the_rights_of_ledger_or_audit_by_being_somebody_else(host, owner):
    for role in ("freelance_owner", "freelance_migrator", "freelance_user", "freelance_staff", "reporting_user"):
        assert administer(host, f"SELECT pg_has_role('{role}', '{owner}', 'USAGE')") == "f", role
    for role in ("freelance_user", "freelance_staff", "reporting_user"):
        assert administer(host, f"SELECT pg_has_role('{role}', '{owner}', 'SET')") == "f", role
    login = f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{owner}'"  # noqa: S608 (named above)
    assert administer(host, login) == "f"
    made = administer(host, f"SELECT has_schema_privilege('{owner}', 'public', 'CREATE')")
    assert made == "f"


def test_a_client_without_tls_is_refused(host):
    refused = query(host, "freelance_user", "SELECT 1", tls="sslmode=disable")
    assert "no pg_hba.conf entry" in refused.stderr


def test_no_superuser_comes_over_the_network(host):
    administer(host, "ALTER ROLE postgres PASSWORD 'none'")
    refused = query(host, "postgres", "SELECT 1")
    administer(host, "ALTER ROLE postgres PASSWORD NULL")
    assert "pg_hba.conf rejects connection" in refused.stderr


def test_a_job_of_the_system_user_postgres_is_backup_without_a_password(host):
    done = host.run("cd / && sudo -u postgres psql -XAtq -U backup -d freelance_platform -c %s", "SELECT current_user")
    assert (done.rc, done.stdout.strip()) == (0, "backup"), done.stderr
    other = host.run("cd / && sudo -u postgres psql -XAtq -U freelance_owner -d freelance_platform -c 'SELECT 1'")
    assert other.rc != 0


def test_what_other_sessions_run_is_for_those_who_watch_the_server(host):
    view, function = "SELECT count(*) > 0 FROM pg_stat_activity", "SELECT pg_stat_get_backend_activity(1)"
    for role in ("freelance_user", "freelance_staff", "reporting_user"):
        for asked in (view, function):
            assert "permission denied for function" in query(host, role, asked).stderr, role
    for role in ("monitor", "freelance_migrator"):
        assert administer(host, f"SET ROLE {role}; {view}") == "t", role


def test_passwords_are_looked_up_by_the_pooler_alone(host):
    ask = "SELECT passwd LIKE 'SCRAM-SHA-256$%%' FROM pgbouncer.get_auth('{}')".replace("%%", "%")
    assert query(host, "pgbouncer_auth", ask.format("freelance_user")).stdout.strip() == "t"
    for hidden in ("postgres", "replicator", "freelance_owner"):
        assert query(host, "pgbouncer_auth", ask.format(hidden)).stdout.strip() == "", hidden
    assert "permission denied" in query(host, "freelance_user", ask.format("freelance_user")).stderr


def test_an_expired_password_is_not_looked_up(host):
    administer(host, "ALTER ROLE freelance_staff VALID UNTIL '2020-01-01'")
    found = query(host, "pgbouncer_auth", "SELECT count(*) FROM pgbouncer.get_auth('freelance_staff')")
    administer(host, "ALTER ROLE freelance_staff VALID UNTIL 'infinity'")
    assert found.stdout.strip() == "0", found.stderr


def test_extensions_are_there(host):
    found = administer(host, "SELECT extname || ':' || extnamespace::regnamespace FROM pg_extension")
    wanted = {"amcheck:public", "pg_partman:partman", "pg_stat_statements:public", "pg_trgm:public", "pgaudit:public"}
    assert wanted <= set(found.splitlines())


def test_neither_password_nor_verifier_was_logged(host):
    log = host.file("/var/log/postgresql/postgresql-17-main.log").content_string
    assert "SCRAM-SHA-256$4096" not in log
    assert not [password for password in PASSWORDS.values() if f"'{password}'" in log]


def test_client_rules_are_readable_by_the_server_alone(host):
    rules = host.file("/etc/postgresql/platform/pg_hba.conf")
    assert (rules.user, rules.group, rules.mode) == ("postgres", "postgres", 0o640)
    assert administer(host, "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL") == "0"


DRIFTS = {
    "role freelance_user: SUPERUSER": "ALTER ROLE freelance_user SUPERUSER",
    "role reporting_user": "ALTER ROLE reporting_user PASSWORD 'another-one'",
    "membership of monitor in freelance_owner": "GRANT freelance_owner TO monitor WITH ADMIN OPTION",
    "membership of freelance_owner in freelance_ledger": "GRANT freelance_ledger TO freelance_owner WITH INHERIT TRUE",
    "setting statement_timeout of role freelance_user: 0": "ALTER ROLE freelance_user SET statement_timeout = 0",
    "database freelance_platform: CONNECT for PUBLIC": "GRANT CONNECT ON DATABASE freelance_platform TO PUBLIC",
    "schema freelance_platform.public: CREATE for PUBLIC": "GRANT CREATE ON SCHEMA public TO PUBLIC",
    "table public.people: TRUNCATE for freelance_user": "GRANT TRUNCATE ON people TO freelance_user",
    "table public.people: INSERT for freelance_user": "REVOKE INSERT ON people FROM freelance_user",
    'table public.people: UPDATE ("name") for freelance_staff': "GRANT UPDATE (name) ON people TO freelance_staff",
    "table public.money_ledger: UPDATE for freelance_user": "GRANT UPDATE ON money_ledger TO freelance_user",
    "default privileges of freelance_owner on tables in public": (
        "ALTER DEFAULT PRIVILEGES FOR ROLE freelance_owner IN SCHEMA public REVOKE SELECT ON TABLES FROM reporting_user"
    ),
    "function freelance_platform.pgbouncer.get_auth(text): EXECUTE for PUBLIC": (
        "GRANT EXECUTE ON FUNCTION pgbouncer.get_auth(text) TO PUBLIC"
    ),
    "extension freelance_platform.pg_trgm": "DROP EXTENSION pg_trgm",
}


@pytest.mark.usefixtures("tables")
def test_access_altered_behind_its_back_is_reported_and_repaired(host):
    for change in DRIFTS.values():
        administer(host, change)
    host.run("echo 'host all all all trust' >> /etc/postgresql/platform/pg_hba.conf")
    checked = play("--check")
    assert checked.returncode == 0, checked.stdout
    for subject in (*DRIFTS, "host all all all trust"):
        assert f"-{subject}" in checked.stdout, subject
    assert administer(host, "SELECT rolsuper FROM pg_roles WHERE rolname = 'freelance_user'") == "t"
    repaired = play()
    assert repaired.returncode == 0, repaired.stdout
    assert "molecule-secret" not in repaired.stdout
    assert "SCRAM" not in repaired.stdout
    again = play("--check")
    assert "changed=0" in again.stdout, again.stdout
    assert administer(host, "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method = 'trust'") == "0"
    assert query(host, "reporting_user", "SELECT 1").rc == 0


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        ('{"postgresql_access_roles": [{"name": "o\'hara"}]}', "rename it"),
        (
            '{"postgresql_access_hba_rules": [{"type": "hostssl", "databases": ["all"], "roles": ["all"],'
            ' "address": "all", "method": "trust"}]}',
            "trust",
        ),
        ('{"postgresql_access_passwords": {"freelance_user": ""}}', "no password"),
    ],
)
def test_bad_input_is_refused_before_anything_changes(host, variable, reason):
    before = host.file("/etc/postgresql/platform/pg_hba.conf").sha256sum
    refused = play("--extra-vars", variable)
    assert refused.returncode != 0
    assert reason in " ".join((refused.stdout + refused.stderr).split())
    assert "changed=0" in refused.stdout
    assert host.file("/etc/postgresql/platform/pg_hba.conf").sha256sum == before
