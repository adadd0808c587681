"""A partner's database beside the platform's: what its role may do there, and that neither side gets into the other."""

import pytest

TLS = "sslmode=verify-full sslrootcert=/etc/ssl/platform/ca.crt"


def query(host, role, sql, database="shop"):
    """Ask over TCP as a role; returns the finished command."""
    target = f"host=direct.test port=5433 dbname={database} user={role} {TLS}"
    return host.run("PGPASSFILE=/etc/clients.pgpass psql -XAtq -v ON_ERROR_STOP=1 %s -c %s", target, sql)


def administer(host, sql, database="shop"):
    """Run SQL as the superuser by the local socket; returns its output."""
    done = host.run("cd / && sudo -u postgres psql -p 5433 -XAtq -v ON_ERROR_STOP=1 -d %s -c %s", database, sql)
    assert done.rc == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module", autouse=True)
def orders(host):
    """A table that the database's owner made after the role was played."""
    administer(host, "SET ROLE shop_owner; CREATE TABLE IF NOT EXISTS sales.orders (id int)")


def test_the_partner_reads_and_adds_and_does_nothing_else(host):
    added = query(host, "partner", "INSERT INTO sales.orders VALUES (7); SELECT id FROM sales.orders LIMIT 1")
    assert (added.rc, added.stdout.strip()) == (0, "7"), added.stderr
    for refused in ("UPDATE sales.orders SET id = 8", "DELETE FROM sales.orders", "CREATE TABLE sales.mine (id int)"):
        assert "permission denied" in query(host, "partner", refused).stderr, refused


def test_what_was_declared_for_the_database_is_there(host):
    asked = "CREATE TEMPORARY TABLE t AS SELECT sales.answer(), sales.similarity('shop', 'shop'); SELECT * FROM t"
    given = query(host, "partner", asked)
    assert (given.rc, given.stdout.strip()) == (0, "42|1"), given.stderr


def test_a_session_has_the_declared_settings(host):
    assert "statement timeout" in query(host, "partner", "SELECT pg_sleep(5)").stderr


def test_a_second_session_is_one_too_many(host):
    held = administer(host, "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'partner'")
    assert held == "1"
    # psql opens another connection only after the first one is gone: a program holds one and starts it.
    target = f"host=direct.test port=5433 dbname=shop user=partner {TLS}"
    second = '\\! psql -XAtq -d "' + target + '" -c "SELECT 1"'
    refused = host.run("PGPASSFILE=/etc/clients.pgpass psql -XAtq %s -c 'SELECT 1' -c %s", target, second)
    assert "too many connections for role" in refused.stderr


def test_a_password_whose_time_is_over_lets_nobody_in(host):
    assert "password authentication failed" in query(host, "former", "SELECT 1").stderr


@pytest.mark.parametrize(("role", "database"), [("freelance_user", "shop"), ("partner", "freelance_platform")])
def test_neither_side_gets_into_the_others_database(host, role, database):
    assert "permission denied for database" in query(host, role, "SELECT 1", database).stderr


def test_the_declared_system_user_is_the_partner_and_no_other(host):
    asked = "cd / && sudo -u {} psql -p 5433 -XAtq -U {} -d {} -c 'SELECT current_user'"
    assert host.check_output(asked.format("nobody", "partner", "shop")) == "partner"
    assert host.run(asked.format("postgres", "partner", "shop")).rc != 0
    assert host.run(asked.format("postgres", "backup", "freelance_platform")).rc != 0


def test_limits_hold_what_two_poolers_may_open(host):
    asked = (
        "SELECT rolname, rolconnlimit FROM pg_roles WHERE rolname IN ('freelance_staff', 'reporting_user') ORDER BY 1"
    )
    assert administer(host, asked).split() == [f"freelance_staff|{4 + 2 * 3}", f"reporting_user|{6 + 2 * 3}"]


def test_the_rules_lie_in_the_declared_folder_and_nowhere_else(host):
    rules = host.file("/etc/postgresql/shop/pg_hba.conf")
    assert (rules.user, rules.group, rules.mode) == ("postgres", "postgres", 0o640)
    assert administer(host, "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL") == "0"
    assert not host.file("/etc/postgresql/platform").exists
