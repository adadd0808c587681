"""What stands on a host of each kind: units, files, listeners. The one list that a new role adds to."""

from tests.host.environment import Environment

KINDS = ("all", "database", "etcd", "repository", "cache")
RUNNING_UNITS: dict[str, list[str]] = {
    "all": ["ssh.service", "nftables.service"],
    "database": ["patroni.service", "pgbouncer.service", "haproxy.service", "pgbackrest.service", "cron.service"],
    "etcd": ["etcd.service"],
    "repository": ["pgbackrest.service", "cron.service"],
    "cache": ["valkey-server.service"],
}
# A port, or the way into the cluster whose endpoints in the contract hold it: see `port_of`.
Port = int | str
# port, address (* for all; fields of the contract's host), program
EXPECTED_SOCKETS: dict[str, list[tuple[Port, str, str]]] = {
    "all": [(22, "*", "sshd")],
    "database": [
        (5432, "{address}", "postgres"),
        (5432, "127.0.0.1", "postgres"),
        (8008, "{address}", "patroni"),
        ("direct", "*", "haproxy"),
        ("read_only_direct", "*", "haproxy"),
        ("pooled", "*", "pgbouncer"),
        (8432, "{address}", "pgbackrest"),
    ],
    "etcd": [(2379, "{address}", "etcd"), (2379, "127.0.0.1", "etcd"), (2380, "{address}", "etcd")],
    "repository": [(8432, "{address}", "pgbackrest")],
    "cache": [(6379, "{address}", "valkey-server"), (6379, "127.0.0.1", "valkey-server")],
}
TLS = "/etc/ssl/platform"
# What speaks TLS: port, address, name of the certificate, and whether PostgreSQL's own request comes first. The
# balancer's ports lead to PostgreSQL and are looked at by the card's names.
TLS_LISTENERS: dict[str, list[tuple[Port, str, str, bool]]] = {
    "database": [
        (5432, "{address}", "postgresql", True),
        (5432, "127.0.0.1", "postgresql", True),
        ("pooled", "{address}", "pgbouncer", True),
        (8008, "{address}", "postgresql", False),
        (8432, "{address}", "postgresql", False),
    ],
    "etcd": [
        (2379, "{address}", "etcd", False),
        (2379, "127.0.0.1", "etcd", False),
        (2380, "{address}", "etcd", False),
    ],
    "repository": [(8432, "{address}", "pgbackrest", False)],
    "cache": [(6379, "{address}", "valkey", False), (6379, "127.0.0.1", "valkey", False)],
}
EXPECTED_FILES: dict[str, dict[str, str]] = {
    "all": {f"{TLS}/ca.crt": "root:root 0644", "/etc/hosts": "root:root 0644"},
    "database": {
        f"{TLS}/postgresql.key": "postgres:postgres 0600",
        f"{TLS}/pgbouncer.key": "postgres:postgres 0600",
        f"{TLS}/haproxy.pem": "haproxy:haproxy 0600",
        "/etc/patroni/config.yml": "postgres:postgres 0600",
        "/etc/pgbouncer/userlist.txt": "postgres:postgres 0640",
        "/etc/pgbackrest/pgbackrest.conf": "root:postgres 0640",
        "/etc/freelance-backup.pgpass": "postgres:postgres 0600",
        "/var/lib/postgresql/17/main": "postgres:postgres 0700",
        "/var/lib/postgresql-wal/17/main": "postgres:postgres 0700",
        "/var/backups/postgresql": "postgres:postgres 0700",
    },
    "etcd": {f"{TLS}/etcd.key": "etcd:etcd 0600", "/var/lib/etcd": "etcd:etcd 0700"},
    "repository": {
        f"{TLS}/pgbackrest.key": "postgres:postgres 0600",
        "/etc/pgbackrest/pgbackrest.conf": "root:postgres 0640",
        "/var/lib/pgbackrest": "postgres:postgres 0700",
    },
    "cache": {f"{TLS}/valkey.key": "valkey:valkey 0600", "/etc/valkey/users.acl": "root:valkey 0640"},
}
# Files without secrets that a role writes whole: role, template, path. What holds a secret is looked at in its effect.
MANAGED_FILES: dict[str, list[tuple[str, str, str]]] = {
    "all": [
        ("host_baseline", "hosts.j2", "/etc/hosts"),
        ("host_baseline", "locale.j2", "/etc/locale.conf"),
        ("host_baseline", "sysctl.conf.j2", "/etc/sysctl.d/60-platform.conf"),
        ("host_baseline", "limits.conf.j2", "/etc/security/limits.d/60-platform.conf"),
        ("host_baseline", "system.conf.j2", "/etc/systemd/system.conf.d/60-platform.conf"),
        ("host_baseline", "journald.conf.j2", "/etc/systemd/journald.conf.d/60-platform.conf"),
        ("host_baseline", "auto-upgrades.conf.j2", "/etc/apt/apt.conf.d/20auto-upgrades"),
        ("host_baseline", "unattended-upgrades.conf.j2", "/etc/apt/apt.conf.d/52unattended-upgrades-platform"),
    ],
    "database": [
        ("database_endpoint", "haproxy.cfg.j2", "/etc/haproxy/haproxy.cfg"),
        ("database_endpoint", "override.conf.j2", "/etc/systemd/system/haproxy.service.d/platform.conf"),
        ("pgbouncer", "pgbouncer.ini.j2", "/etc/pgbouncer/pgbouncer.ini"),
        ("pgbouncer", "pg_hba.conf.j2", "/etc/pgbouncer/pg_hba.conf"),
        ("pgbouncer", "override.conf.j2", "/etc/systemd/system/pgbouncer.service.d/platform.conf"),
        ("wal_archive", "pgbackrest.service.j2", "/etc/systemd/system/pgbackrest.service"),
    ],
    "etcd": [("etcd", "platform.conf.j2", "/etc/systemd/system/etcd.service.d/platform.conf")],
    "repository": [("backup_repository", "pgbackrest.service.j2", "/etc/systemd/system/pgbackrest.service")],
    "cache": [("cache", "valkey.conf.j2", "/etc/valkey/valkey.conf")],
}


def port_of(environment: Environment, port: Port) -> int:
    """Return a port, that of a way by the contract's endpoints: all hosts have the same."""
    if isinstance(port, int):
        return port
    endpoints = environment.declared(environment.hosts("database")[0])["platform_endpoints"][port]
    (found,) = {int(endpoint.rpartition(":")[2]) for endpoint in endpoints}
    return found


def groups_of(environment: Environment, name: str) -> list[str]:
    """Return the kinds of host that a host is."""
    return [kind for kind in KINDS if name in environment.hosts(kind)]
