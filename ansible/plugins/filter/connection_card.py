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
            f"jdbc:postgresql://{','.join(targets)}/{identity['dbname']}?user={identity['user']}&sslmode=verify-full"
            f"&sslrootcert={ca_file}&connectTimeout=2&tcpKeepAlive=true"
        )
    return {
        "environment": environment,
        "cluster": name,
        "ca_file": ca_file,
        "connections": {way.pop("name"): way for way in ways},
        "secrets": {
            key: {"reference": value, "read": read_command(value)} for key, value in cluster["secrets"].items()
        },
    }


def _way(name: str, endpoints: list[str], service: str, database: str, user: str) -> dict[str, Any]:
    parameters = {**_targets(endpoints, service), "dbname": database, "user": user}
    secret = f"{user}_password"
    return {"name": name, "purpose": PURPOSES[name], "endpoints": endpoints, "parameters": parameters, "secret": secret}


def _targets(addresses: Sequence[str], service: str) -> dict[str, str]:
    """Return host, hostaddr and port. Certificates name the service, so addresses are given beside that name."""
    hosts, ports = zip(*(address.rsplit(":", 1) for address in addresses), strict=True)
    if not all(map(_is_address, hosts)):
        return {"host": ",".join(hosts), "port": ",".join(ports)}
    return {"host": ",".join([service] * len(hosts)), "hostaddr": ",".join(hosts), "port": ",".join(ports)}


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _conninfo(parameters: Mapping[str, object]) -> str:
    return " ".join(f"{key}={value}" for key, value in parameters.items())


def read_command(reference: str) -> str:
    """Return the shell command that prints the secret behind a reference."""
    kind, _, place = reference.partition(":")
    if kind == "aws-secretsmanager":
        return f"aws secretsmanager get-secret-value --secret-id {place} --query SecretString --output text"
    path, _, key = place.partition("#")
    if not key:
        return f"cat {Path(path)}"
    return f'awk -F \': *\' \'$1 == "{key}" {{gsub(/[\\x27"]/, "", $2); print $2}}\' {Path(path)}'


class FilterModule:
    """The filters as Ansible calls them."""

    def filters(self) -> dict[str, Any]:
        """Return name -> function."""
        return {"connection_card": connection_card}
