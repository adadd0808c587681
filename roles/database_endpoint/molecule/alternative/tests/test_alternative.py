"""Clients of the declared ports: who answers, which replica is too far behind, and where nobody listens."""

import time

import pytest

TLS = "sslmode=verify-full sslrootcert=/etc/ssl/platform/ca.crt connect_timeout=5"
NAMES = {5010: "direct.test", 5011: "read-only.test", 6433: "pooled.test"}


def asked(host, port):
    """Ask by a port which server answers; returns its name, empty without an answer."""
    target = f"host={NAMES[port]} port={port} dbname=freelance_platform user=freelance_user {TLS}"
    who = "SELECT current_setting('cluster_name')"
    return host.run("PGPASSFILE=/etc/clients.pgpass psql -XAtq %s -c %s", target, who).stdout.strip()


def leads_to(host, port, wanted, *, seconds=15):
    """Wait until a port leads to the wanted server; returns whether it did."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if asked(host, port) == wanted:
            return True
    return False


@pytest.fixture
def lags(host):
    """Let the replica lag by so many MiB; afterwards it does not."""

    def write(mib):
        host.run_test(f"echo 'replica {mib}' > /run/fake-patroni/127.0.1.2")

    yield write
    write(0)
    assert leads_to(host, 5011, "two")


@pytest.mark.parametrize(("port", "server"), [(5010, "one"), (5011, "two"), (6433, "one")])
def test_the_declared_ports_lead_to_the_leader_to_a_replica_and_to_the_pool(host, port, server):
    assert leads_to(host, port, server), host.run("journalctl -u haproxy -n 30").stdout


def test_a_replica_gets_reads_up_to_the_declared_lag_only(host, lags):
    lags(5)
    assert leads_to(host, 5011, "one")
    lags(3)
    assert leads_to(host, 5011, "two")


def test_it_listens_at_the_declared_address_and_ports_alone(host):
    sockets = host.check_output("ss -Htlnp | grep haproxy").splitlines()
    assert sorted(line.split()[3] for line in sockets) == ["127.0.0.1:5010", "127.0.0.1:5011"]


def test_after_a_reload_the_pooler_of_the_declared_socket_leaves_the_old_process(host):
    assert leads_to(host, 6433, "one")
    before = host.run("pgrep -P $(systemctl show -P MainPID haproxy)").stdout.split()
    reloaded = host.run("systemctl reload haproxy")
    assert reloaded.rc == 0, host.run("journalctl -u haproxy -n 30").stdout
    assert asked(host, 6433) == "one"
    gone = host.run(f"for i in $(seq 100); do kill -0 {before[0]} 2>/dev/null || exit 0; sleep 0.1; done; exit 1")
    assert gone.rc == 0, "the old process still holds connections of the pool"


def test_the_checks_need_no_other_certificate(host):
    assert host.file("/etc/ssl/platform/checks.pem").mode == 0o600
    assert not host.file("/etc/ssl/platform/haproxy.pem").exists
