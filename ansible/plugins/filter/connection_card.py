"""The connection card: everything that a client needs to reach a cluster, as one dict. Holds no secret's value."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

# Notices within 5.5 s that a host vanished, and goes on to the next of the list.
CLIENT_TIMEOUTS = {
    "connect_timeout": 2,
    "tcp_user_timeout": 3000,
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 2,
}

# A migration may be silent for hours while it builds an index: only a dead peer ends it.
SESSION_TIMEOUTS = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 6,
}
POOLED = ("pooled", "replica")
PURPOSES = {
    "pooled": "reads and writes of the application",
    "replica": "reads that may lag behind the leader",
    "direct": "migrations and exports: a session of its own on the leader",
    "read_only_direct": "long reports: a session of its own on a replica",
}


def connection_card(
    cluster: Mapping[str, Any], name: str, environment: str, ca_file: str, databases: Mapping[str, str]
) -> dict[str, Any]:
    """Describe how clients connect to a cluster of the contract.

    `databases` holds `main` and `replica`, the names that the pooler offers; `ca_file` is a path on the client.
    """
    endpoints, service = cluster["endpoints"], cluster["endpoints"]["names"]
    main, replica = databases["main"], databases["replica"]
    ways = [
        _way("pooled", endpoints["pooled"], service["pooled"], main, "freelance_user"),
        _way("replica", endpoints["pooled"], service["pooled"], replica, "freelance_user"),
        _way("direct", endpoints["direct"], service["direct"], main, "freelance_migrator"),
        _way("read_only_direct", endpoints["read_only_direct"], service["read_only"], main, "reporting_user"),
    ]
    for way in ways:
        identity, targets = way["parameters"], way["endpoints"]
        identity |= {"sslmode": "verify-full", "sslrootcert": ca_file}
        way["timeouts"] = CLIENT_TIMEOUTS if way["name"] in POOLED else SESSION_TIMEOUTS
        way["libpq"] = _conninfo({**identity, **way["timeouts"]})
        way["psql"] = f'PGPASSWORD="$({read_command(cluster["secrets"][way["secret"]])})" psql "{_conninfo(identity)}"'
        way["jdbc"] = (
            f"jdbc:postgresql://{','.join(_jdbc_targets(way['name'], targets, way['service']))}/{identity['dbname']}"
            f"?user={identity['user']}&sslmode=verify-full"
            f"&sslrootcert={ca_file}&connectTimeout={way['timeouts']['connect_timeout']}&tcpKeepAlive=true"
        )
    return {
        "environment": environment,
        "cluster": name,
        "ca_file": ca_file,
        "connections": {way.pop("name"): way for way in ways},
        "resolve": _resolve(ways),
        "secrets": {
            key: {"reference": value, "read": read_command(value)} for key, value in cluster["secrets"].items()
        },
    }


def _way(name: str, endpoints: list[str], service: str, database: str, user: str) -> dict[str, Any]:
    return {
        "name": name,
        "purpose": PURPOSES[name],
        "endpoints": endpoints,
        "service": service,
        "parameters": {**_targets(endpoints, service), "dbname": database, "user": user},
        "secret": f"{user}_password",
    }


def _targets(endpoints: Sequence[str], service: str) -> dict[str, str]:
    """Return host, hostaddr and port for libpq. Certificates name the service, so addresses are given beside that name.

    Where an endpoint is a name, hostaddr is empty and the service's name has to lead to it.
    """
    hosts, ports = zip(*(endpoint.rsplit(":", 1) for endpoint in endpoints), strict=True)
    found = {"host": ",".join([service] * len(hosts)), "port": ",".join(ports)}
    if any(map(_is_address, hosts)):
        found["hostaddr"] = ",".join(host.strip("[]") if _is_address(host) else "" for host in hosts)
    return found


def _jdbc_targets(way: str, endpoints: Sequence[str], service: str) -> list[str]:
    """Return what a JDBC URL lists. The driver has no hostaddr: it checks what it connects to.

    A pooler shows a certificate with its own address. Behind a balancer's port the leader, or a replica, shows its own
    certificate, which knows that host's address and the service's name: only the name holds on each of these ports.
    """
    if way in POOLED and all(_is_address(endpoint.rsplit(":", 1)[0]) for endpoint in endpoints):
        return list(endpoints)
    return list(dict.fromkeys(f"{service}:{endpoint.rsplit(':', 1)[1]}" for endpoint in endpoints))


def _resolve(ways: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Say what the services' names have to lead to: lines of /etc/hosts, and `name -> balancer` for DNS."""
    names: dict[str, dict[str, None]] = {}
    for way in ways:
        for endpoint in way["endpoints"]:
            names.setdefault(endpoint.rsplit(":", 1)[0], {})[way["service"]] = None
    return {
        "hosts": [f"{host.strip('[]')} {' '.join(services)}" for host, services in names.items() if _is_address(host)],
        "aliases": [
            f"{service} -> {host}"
            for host, services in names.items()
            for service in services
            if not _is_address(host) and service != host
        ],
    }


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _conninfo(parameters: Mapping[str, object]) -> str:
    return " ".join(f"{key}={value}" for key, value in parameters.items())


def read_command(reference: str) -> str:
    """Return the shell command that prints the secret behind a reference."""
    kind, _, place = reference.partition(":")
    if kind == "aws-secretsmanager":
        region = place.split(":")[3]  # the reader's own default may be another one
        return (
            f"aws secretsmanager get-secret-value --region {region} --secret-id {place} "
            "--query SecretString --output text"
        )
    path, _, key = place.partition("#")
    if not key:
        return f"cat {Path(path)}"
    return f'awk -F \': *\' \'$1 == "{key}" {{gsub(/[\\x27"]/, "", $2); print $2}}\' {Path(path)}'


class FilterModule:
    """The filters as Ansible calls them."""

    def filters(self) -> dict[str, Any]:
        """Return name -> function."""
        return {"connection_card": connection_card}
