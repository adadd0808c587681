"""A small pool as its clients see it: who gets in, how many are served at once, and where nobody listens."""

import pytest

CLIENT = "PGPASSFILE=/etc/clients.pgpass"
TLS = "sslmode=verify-full sslrootcert=/etc/ssl/platform/ca.crt"
TARGET = f"host=pooled.test port=6433 dbname=shop user=freelance_user {TLS}"


def query(host, role, sql, *, database="shop"):
    """Ask through the pool over TCP as a role; returns the finished command."""
    target = f"host=pooled.test port=6433 dbname={database} user={role} {TLS}"
    return host.run(f"{CLIENT} psql -XAtq %s -c %s", target, sql)


def test_the_database_is_reached_by_its_other_name(host):
    asked = query(host, "freelance_user", "SELECT current_database(), current_user")
    assert (asked.rc, asked.stdout.strip()) == (0, "freelance_platform|freelance_user"), asked.stderr


def test_its_name_on_the_server_is_not_offered(host):
    assert query(host, "freelance_user", "SELECT 1", database="freelance_platform").rc != 0


@pytest.mark.parametrize("role", ["freelance_staff", "reporting_user"])
def test_a_role_that_is_not_listed_is_refused_with_the_right_password(host, role):
    refused = query(host, role, "SELECT 1")
    assert refused.rc != 0
    assert "no authentication method" in refused.stderr


def test_statistics_are_not_read_over_the_network(host):
    assert query(host, "stats", "SHOW POOLS", database="pgbouncer").rc != 0
    console = "psql -XAtq -h /run/pool -p 6433 -U pgbouncer -d pgbouncer -c 'SHOW VERSION'"
    assert host.check_output(f"cd / && sudo -u postgres {console}").startswith("PgBouncer 1.")


def test_the_pool_is_two_connections_wide_and_a_third_client_waits_as_long_as_declared(host):
    long = f"{CLIENT} psql -XAtq '{TARGET}' -c 'SELECT pg_sleep(8)'"
    script = f"({long} & {long} & wait; echo done) >/run/long.out 2>&1"
    host.run_test("rm -f /run/long.out; nohup sh -c %s >/dev/null 2>&1 &", script)
    count = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(8)' AND state = 'active'"
    served = f'[ "$(sudo -u postgres psql -XAtq -c "{count}")" = 2 ]'
    assert host.run(f"cd /; for i in $(seq 50); do {served} && exit 0; sleep 0.1; done; exit 1").rc == 0
    third = query(host, "freelance_user", "SELECT 1")
    assert third.rc != 0
    assert "query_wait_timeout" in third.stderr
    finished = host.run("for i in $(seq 200); do grep -q done /run/long.out && exit 0; sleep 0.1; done; exit 1")
    assert finished.rc == 0
    assert host.file("/run/long.out").content_string.split() == ["done"], "both were served"


def test_more_clients_than_declared_are_refused(host):
    host.run_test("echo 'SELECT 1;' > /tmp/one.sql")
    bench = f"{CLIENT} /usr/lib/postgresql/17/bin/pgbench -n -t 5 -f /tmp/one.sql -c %s %s"
    assert host.run(bench, "10", TARGET).rc == 0
    refused = host.run(bench, "14", TARGET)
    assert refused.rc != 0
    assert "max_client_conn" in refused.stderr


def test_it_listens_at_one_address_and_port_alone(host):
    sockets = host.check_output("ss -Htlnp | grep pgbouncer").splitlines()
    assert [line.split()[3] for line in sockets] == ["127.0.0.1:6433"]
    assert not host.file("/run/pgbouncer/.s.PGSQL.6432").exists


def test_it_shows_the_declared_certificate(host):
    show = "openssl s_client -starttls postgres -connect 127.0.0.1:6433 </dev/null 2>/dev/null"
    assert "CN=pooled.test" in host.check_output(f"{show} | openssl x509 -noout -subject -nameopt RFC2253")
    assert not host.file("/etc/ssl/platform/pgbouncer.crt").exists
