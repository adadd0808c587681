"""The DATABASES setting, made from the environment: pooled, replica and direct endpoints, and the poolers' consoles."""

import ipaddress
from typing import Any

from config.environment import Environment

DEFAULT_CA_FILE = "/etc/ssl/platform/ca.crt"


def _names(endpoint: str, *others: str) -> tuple[str, ...]:
    return tuple(f"DB_{endpoint}_{name}" for name in ("USER", "PASSWORD", "HOST", "HOSTADDR", "PORT", *others))


# What may be said of each further endpoint.
REPLICA, DIRECT, STATS = _names("REPLICA", "NAME"), _names("DIRECT", "NAME", "ASSUME_ROLE"), _names("STATS")

# A client whose host or pooler vanishes is at the next one after about 5 s.
POOLED_CONNECTION = {
    "connect_timeout": 2,
    "tcp_user_timeout": 3000,
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 2,
}
# A migration may be silent for hours while it builds an index: only a dead peer ends it.
DIRECT_CONNECTION = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 6,
}


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _endpoint(env: Environment, prefix: str, fallback: str, default_port: str) -> dict[str, str]:
    """Read HOST, HOSTADDR and PORT of one endpoint; `fallback` is the prefix of the endpoint it may follow."""

    def name(suffix: str) -> str:
        own = f"{prefix}{suffix}"
        return own if not fallback or env.given(own) else f"{fallback}{suffix}"

    hosts = env.items(name("HOST"))
    # Addresses belong to the hosts that were named beside them, never to another endpoint's.
    hostaddr_name = f"{prefix}HOSTADDR" if not fallback or env.given(f"{prefix}HOST") else name("HOSTADDR")
    addresses = env.items(hostaddr_name, "")
    ports = env.ports(name("PORT"), default_port, len(hosts))
    for address in addresses:
        if not _is_address(address):
            env.problem(f"{hostaddr_name}={address}: an IP address is expected.")
    if addresses and len(addresses) != len(hosts):
        env.problem(f"{hostaddr_name} lists {len(addresses)} addresses for {len(hosts)} hosts: give one for each host.")
    endpoint = {"HOST": ",".join(hosts), "PORT": ",".join(ports)}
    return endpoint | ({"hostaddr": ",".join(addresses)} if addresses else {})


def _tls(env: Environment) -> dict[str, str]:
    """Every connection checks the server's name; there is no setting that turns this off."""
    options = {"sslmode": "verify-full", "sslrootcert": env.file("DB_SSLROOTCERT", DEFAULT_CA_FILE)}
    if env.given("DB_SSLCERT") or env.given("DB_SSLKEY"):
        options |= {"sslcert": env.file("DB_SSLCERT"), "sslkey": env.file("DB_SSLKEY")}
    return options


def _alias(endpoint: dict[str, str], options: dict[str, Any], **fields: Any) -> dict[str, Any]:
    endpoint = dict(endpoint)
    addresses = {"hostaddr": endpoint.pop("hostaddr")} if "hostaddr" in endpoint else {}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **endpoint,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        # A named cursor outlives its transaction, and behind transaction pooling its server connection too.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {**options, **addresses},
        **fields,
    }


def databases(env: Environment) -> dict[str, dict[str, Any]]:
    """Return the aliases `default` (pooled, leader) and, where the environment names them, `replica` and `direct`."""
    tls = _tls(env)
    application = env.text("DB_APPLICATION_NAME", "freelance-platform")
    # Prepared statements stay off (Django's default for psycopg): queries are bound on the client, which every
    # pooler understands.
    pooled = {**POOLED_CONNECTION, **tls, "application_name": application}
    name, user, password = env.text("DB_NAME"), env.text("DB_USER"), env.text("DB_PASSWORD")
    aliases = {"default": _alias(_endpoint(env, "DB_", "", "5432"), pooled, NAME=name, USER=user, PASSWORD=password)}
    if env.opened(REPLICA, "DB_REPLICA_NAME", "DB_REPLICA_HOST"):
        aliases["replica"] = _alias(
            _endpoint(env, "DB_REPLICA_", "DB_", "5432"),
            pooled,
            NAME=env.text("DB_REPLICA_NAME", name),
            USER=env.text("DB_REPLICA_USER", user),
            PASSWORD=env.text("DB_REPLICA_PASSWORD", password),
            TEST={"MIRROR": "default"},
        )
    if env.opened(DIRECT, "DB_DIRECT_HOST"):
        direct = {**DIRECT_CONNECTION, **tls, "application_name": f"{application}-direct"}
        # What a migration makes belongs to the owner, not to the account that logged in.
        direct["assume_role"] = env.text("DB_DIRECT_ASSUME_ROLE", "freelance_owner")
        aliases["direct"] = _alias(
            _endpoint(env, "DB_DIRECT_", "", "5432"),
            direct,
            NAME=env.text("DB_DIRECT_NAME", name),
            USER=env.text("DB_DIRECT_USER"),
            PASSWORD=env.text("DB_DIRECT_PASSWORD"),
            CONN_MAX_AGE=0,
            CONN_HEALTH_CHECKS=False,
            DISABLE_SERVER_SIDE_CURSORS=False,
            TEST={"MIRROR": "default"},
        )
    return aliases


def poolers(env: Environment) -> list[dict[str, Any]]:
    """Return psycopg's parameters for the console of each pooler; none without DB_STATS_PASSWORD."""
    if not env.opened(STATS, "DB_STATS_PASSWORD"):
        return []
    endpoint = {name: value.split(",") for name, value in _endpoint(env, "DB_STATS_", "DB_", "6432").items()}
    hosts = endpoint["HOST"]
    console = {
        **POOLED_CONNECTION,
        **_tls(env),
        "dbname": "pgbouncer",
        "user": env.text("DB_STATS_USER", "stats"),
        "password": env.text("DB_STATS_PASSWORD"),
    }
    # One port may stand for all.
    ports = endpoint["PORT"] * (len(hosts) if len(endpoint["PORT"]) == 1 else 1)
    addresses = endpoint.get("hostaddr", [])
    return [
        {**console, "host": host, "port": port, **({"hostaddr": addresses[number]} if addresses else {})}
        for number, (host, port) in enumerate(zip(hosts, ports, strict=False))  # a wrong count was noted already
    ]
