import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

ONE, TWO = "127.0.1.1", "127.0.1.2"
STATES = {ONE: "leader", TWO: "replica"}
TLS = "sslmode=verify-full sslrootcert=/etc/ssl/platform/ca.crt connect_timeout=5"
WHO = "SELECT current_setting('cluster_name')"


def query(host, name, port, sql=WHO, database="freelance_platform"):
    """Ask as the application by a name and port; returns the finished command."""
    target = f"host={name} port={port} dbname={database} user=freelance_user {TLS}"
    return host.run("PGPASSFILE=/etc/clients.pgpass psql -XAtq %s -c %s", target, sql)


def leads_to(host, port, wanted, *, seconds=15):
    """Wait until a port leads to the wanted server; returns whether it did."""
    end = time.monotonic() + seconds
    name = "direct.test" if port == 5000 else "read-only.test"
    while time.monotonic() < end:
        if query(host, name, port).stdout.strip() == wanted:
            return True
    return False


def servers_up(host):
    """Names of servers that HAProxy holds for up, by backend."""
    show = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/haproxy/admin.sock');"
    show += " s.sendall(b'show servers state\\n'); print(s.makefile().read())"
    rows = [line.split() for line in host.check_output("python3 -c %s", show).splitlines()]
    up = [(row[1], row[3]) for row in rows if len(row) > 5 and row[5] == "2"]
    return {backend: [name for b, name in up if b == backend] for backend in ("leader", "replicas")}


@contextmanager
def states(host, changed):
    """Let the servers be something else for a while."""
    for address, state in changed.items():
        host.run("echo %s > /run/fake-patroni/%s", state, address)
    try:
        yield
    finally:
        for address, state in STATES.items():
            host.run("echo %s > /run/fake-patroni/%s", state, address)
        assert leads_to(host, 5000, "one")
        assert leads_to(host, 5001, "two")


def play(*options):
    """Play the role once more; returns the finished command."""
    playbook = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "../../lab/molecule/converge_role.yml"
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"
    return subprocess.run(
        ["ansible-playbook", "-i", inventory, playbook, "--diff", *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
    )


def test_one_port_leads_to_the_leader_and_one_to_a_replica(host):
    assert leads_to(host, 5000, "one"), host.run("journalctl -u haproxy -n 30").stdout
    assert leads_to(host, 5001, "two"), host.run("journalctl -u haproxy -n 30").stdout


def test_a_server_with_a_certificate_of_another_name_is_not_trusted(host):
    assert servers_up(host) == {"leader": ["db1"], "replicas": ["db2"]}


def test_the_pool_reaches_both_endpoints(host):
    assert query(host, "pooled.test", 6432).stdout.strip() == "one"
    assert query(host, "pooled.test", 6432, database="freelance_platform_replica").stdout.strip() == "two"


def test_a_new_leader_gets_the_sessions_and_the_old_one_loses_them(host):
    target = f"host=direct.test port=5000 dbname=freelance_platform user=freelance_user {TLS}"
    host.run(
        "(PGPASSFILE=/etc/clients.pgpass psql %s -c 'SELECT pg_sleep(25)'; touch /run/session) >/run/out 2>&1 &",
        target,
    )
    time.sleep(1)
    with states(host, {ONE: "replica", TWO: "leader"}):
        assert leads_to(host, 5000, "two")
        assert leads_to(host, 5001, "one")
        ended = host.run("for i in $(seq 50); do test -e /run/session && exit 0; sleep 0.1; done; exit 1")
        assert ended.rc == 0, "a session stayed on a server that no longer leads"


def test_without_replicas_reads_go_to_the_leader(host):
    with states(host, {TWO: "none"}):
        assert leads_to(host, 5001, "one")


def test_without_a_leader_a_client_is_refused_at_once(host):
    with states(host, {ONE: "none"}):
        begin = time.monotonic()
        while time.monotonic() - begin < 15 and query(host, "direct.test", 5000).rc == 0:
            pass
        begin = time.monotonic()
        assert query(host, "direct.test", 5000).rc != 0
        assert time.monotonic() - begin < 5


def test_after_a_reload_no_pooled_connection_stays_in_the_old_process(host):
    for _ in range(3):
        assert query(host, "pooled.test", 6432).rc == 0
    before = host.run("pgrep -P $(systemctl show -P MainPID haproxy)").stdout.split()
    reloaded = host.run("systemctl reload haproxy")
    assert reloaded.rc == 0, host.run("journalctl -u haproxy -n 30").stdout
    assert query(host, "pooled.test", 6432).stdout.strip() == "one"
    gone = host.run(f"for i in $(seq 100); do kill -0 {before[0]} 2>/dev/null || exit 0; sleep 0.1; done; exit 1")
    assert gone.rc == 0, "the old process still holds connections of the pool"


def test_a_running_session_outlives_a_reload(host):
    target = f"host=direct.test port=5000 dbname=freelance_platform user=freelance_user {TLS}"
    host.run("(sleep 1; systemctl reload haproxy) >/run/out 2>&1 &")
    done = host.run(
        "PGPASSFILE=/etc/clients.pgpass psql -XAtq %s -c 'SELECT pg_sleep(3)' -c %s",
        target,
        WHO,
    )
    assert done.stdout.split() == ["one"], done.stderr


def test_the_control_socket_is_closed_to_others(host):
    assert host.file("/run/haproxy/admin.sock").mode == 0o660
    assert host.file("/etc/ssl/platform/haproxy.pem").mode == 0o600


@pytest.mark.parametrize("path", ["/etc/haproxy/haproxy.cfg", "/etc/systemd/system/haproxy.service.d/platform.conf"])
def test_an_altered_file_is_reported_and_repaired(host, path):
    declared = host.file(path).sha256sum
    host.run("echo '# altered' >> %s && systemctl disable haproxy", path)
    assert "-# altered" in play("--check").stdout
    repaired = play()
    assert repaired.returncode == 0, repaired.stdout
    assert host.file(path).sha256sum == declared
    assert host.service("haproxy").is_enabled
    assert leads_to(host, 5000, "one")


def test_servers_of_one_name_are_refused(host):
    servers = (
        '{"database_endpoint_servers": [{"name": "a", "address": "1.1.1.1"}, {"name": "a", "address": "1.1.1.2"}]}'
    )
    refused = play("--extra-vars", servers)
    assert refused.returncode != 0
    assert "correct the list" in " ".join((refused.stdout + refused.stderr).split())
    assert "changed=0" in refused.stdout
    assert leads_to(host, 5000, "one")


def test_a_reload_that_never_came_is_made_up_for(host):
    host.run("touch /etc/haproxy/haproxy.cfg")
    reloaded = play()
    assert "changed=2" in reloaded.stdout, reloaded.stdout  # what was found, and its handler
    assert "changed=0" in play("--check").stdout
