"""The ways to the test host's PostgreSQL, set up by the platform's own templates: PgBouncer, HAProxy; and a Valkey.

One server plays two: `db1` leads, `db2` is its replica, the same PostgreSQL under another address. Who is what is told
by the stand-in for Patroni that the tests of role database_endpoint use.
"""

from typing import Any

from ansible.parsing.dataloader import DataLoader  # type: ignore[import-untyped]  # Ansible has no types
from ansible.template import Templar, trust_as_template  # type: ignore[import-untyped]  # the same
from server import CLIENTS, ROOT, Server

ROLES = ROOT / "roles"
FAKE_PATRONI = ROLES / "database_endpoint/molecule/default/files/fake_patroni.py"
LEADER_ADDRESS, REPLICA_ADDRESS = "127.0.1.1", "127.0.1.2"
CACHE_PASSWORD = "test-cache"
STATS_PASSWORD = "test-stats"

INSTALL = """
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
wanted=(pgbouncer haproxy valkey-server)
if ! dpkg-query -W "${wanted[@]}" > /dev/null 2>&1; then
    # Nothing runs by a package's own settings.
    printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    apt-get install -qq --no-install-recommends "${wanted[@]}" > /dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -qq --no-install-recommends "${wanted[@]}" > /dev/null; }
    rm /usr/sbin/policy-rc.d
fi
# An address of its own, as the platform's hosts have it: PgBouncer merges names of one address.
grep -q direct.test /etc/hosts || echo '127.0.0.2 direct.test read-only.test' >> /etc/hosts
chown valkey: /etc/ssl/platform/valkey.key
"""
START = f"""
set -euo pipefail
if systemctl is-active --quiet fake-patroni; then systemctl stop fake-patroni; fi
install -d /run/fake-patroni
for address in {LEADER_ADDRESS} 127.0.1.3; do echo leader > /run/fake-patroni/$address; done
echo replica > /run/fake-patroni/{REPLICA_ADDRESS}
systemd-run --quiet --collect --unit=fake-patroni /usr/bin/python3 /usr/local/bin/fake_patroni.py
systemctl daemon-reload
systemctl restart haproxy pgbouncer valkey-server
"""


def start(server: Server) -> None:
    """Install what is missing, write its settings and start it anew: no connection of a former run is left."""
    server.run("bash", "-s", script=INSTALL)
    _write(server, "/usr/local/bin/fake_patroni.py", FAKE_PATRONI.read_text())
    pooler = _rendered(
        "pgbouncer",
        pgbouncer_databases=[
            {"name": "freelance_platform", "host": "direct.test", "port": 5000, "dbname": "freelance_platform"},
            {
                "name": "freelance_platform_replica",
                "host": "read-only.test",
                "port": 5001,
                "dbname": "freelance_platform",
            },
        ],
        pgbouncer_client_networks=[*CLIENTS.split(","), "127.0.0.0/8"],
        pgbouncer_stats_networks=[*CLIENTS.split(","), "127.0.0.1/32"],
        pgbouncer_lookup_password="test-pgbouncer_auth",
        pgbouncer_stats_password=STATS_PASSWORD,
    )
    for name in ("pgbouncer.ini", "pg_hba.conf", "userlist.txt"):
        _write(server, f"/etc/pgbouncer/{name}", pooler(name), group="postgres")
    _write(server, "/etc/systemd/system/pgbouncer.service.d/platform.conf", pooler("override.conf"))
    balancer = _rendered(
        "database_endpoint",
        database_endpoint_servers=[
            {"name": "db1", "address": LEADER_ADDRESS},
            {"name": "db2", "address": REPLICA_ADDRESS},
        ],
    )
    _write(server, "/etc/haproxy/haproxy.cfg", balancer("haproxy.cfg"))
    cache = _rendered(
        "cache",
        cache_listen_addresses=[server.address, "127.0.0.1"],
        cache_app_password=CACHE_PASSWORD,
        cache_operator_password="test-operator",
        cache_memory_mib=64,
        cache_certificate_file="/etc/ssl/platform/valkey.crt",
        cache_key_file="/etc/ssl/platform/valkey.key",
        cache_ca_file="/etc/ssl/platform/ca.crt",
    )
    for name in ("valkey.conf", "users.acl"):
        _write(server, f"/etc/valkey/{name}", cache(name), group="valkey")
    server.run("bash", "-s", script=START)


def replica_is(server: Server, state: str) -> None:
    """Say what the second server is from now on: "replica", "replica LAG_MIB" or "none"."""
    server.run("tee", f"/run/fake-patroni/{REPLICA_ADDRESS}", script=state)


def reconnect(server: Server) -> None:
    """Let PgBouncer's connections go, as a reload of the balancer does: they stay where they are otherwise."""
    console = ("psql", "-qX", "-h", "/run/pgbouncer", "-p", "6432", "-U", "pgbouncer", "pgbouncer")
    server.run("-u", "postgres", *console, script="RECONNECT;")


def _rendered(role: str, **variables: Any) -> Any:
    """Return a function that gives the text of one of the role's templates, by its name without .j2."""
    loader = DataLoader()
    known: dict[str, Any] = {"ansible_managed": "Written by tests/app/endpoints.py"}
    for file in (ROLES / role / "defaults/main.yml", ROLES / role / "vars/main.yml"):
        if file.exists():
            known |= loader.load_from_file(str(file), trusted_as_template=True)
    templar = Templar(loader=loader, variables=known | variables)

    def render(name: str) -> str:
        return str(templar.template(trust_as_template((ROLES / role / f"templates/{name}.j2").read_text()))) + "\n"

    return render


def _write(server: Server, path: str, text: str, group: str = "root") -> None:
    mode = "0640" if group != "root" else "0644"
    server.run("install", "-D", "-m", mode, "-g", group, "/dev/stdin", path, script=text)
