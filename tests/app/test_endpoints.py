"""The test host itself: the application's ways to PostgreSQL and Valkey, as the platform's roles set them up."""

import time
from typing import Any

import endpoints
import psycopg
import pytest
from django.conf import settings
from django.core.cache import caches
from django.db import Error, connections
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry
from server import Server


def server_address(alias: str) -> str:
    """Return the address under which the alias reaches PostgreSQL, by a connection of its own."""
    connections[alias].close()
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT host(inet_server_addr())")
        return str(cursor.fetchone()[0])


def reaches(address: str) -> bool:
    """Say whether the alias for reads comes to lead to this address."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if server_address("replica") == address:
                return True
        except Error:
            connections["replica"].close()
        time.sleep(0.2)
    return False


def console(server: Server) -> dict[str, Any]:
    """Return the parameters of the pooler's console."""
    return {
        **settings.DATABASES["default"]["OPTIONS"], "host": "pooled.test", "hostaddr": server.address, "port": 6432,
        "user": "stats", "password": endpoints.STATS_PASSWORD, "dbname": "pgbouncer",
    }  # fmt: skip


@pytest.mark.usefixtures("server")
def test_each_alias_leads_to_its_own_server() -> None:
    found = {alias: server_address(alias) for alias in ("default", "replica", "direct")}
    assert found == {
        "default": endpoints.LEADER_ADDRESS,
        "replica": endpoints.REPLICA_ADDRESS,
        "direct": endpoints.LEADER_ADDRESS,
    }


def test_a_stale_replica_leaves_the_pool_and_comes_back(server: Server) -> None:
    try:
        endpoints.replica_is(server, "replica 17")
        assert reaches(endpoints.LEADER_ADDRESS)
    finally:
        endpoints.replica_is(server, "replica")
    endpoints.reconnect(server)
    assert reaches(endpoints.REPLICA_ADDRESS)


def test_the_pooler_gives_a_connection_for_a_transaction(server: Server) -> None:
    server_address("default")
    with psycopg.connect(**console(server), autocommit=True, cursor_factory=psycopg.ClientCursor) as stats:
        pools = stats.execute("SHOW POOLS")
        rows = [dict(zip([column.name for column in pools.description or ()], row, strict=True)) for row in pools]
    modes = {row["database"]: row["pool_mode"] for row in rows if row["user"] == "freelance_user"}
    assert modes["freelance_platform"] == "transaction"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"host": "other.test"}, "does not match host name"),
        ({"sslrootcert": "/etc/ssl/certs/ca-certificates.crt"}, "certificate verify failed"),
        ({"sslmode": "disable"}, "SSL required"),
        ({"password": "wrong"}, "authentication failed"),
        ({"user": "postgres", "password": "test-postgres"}, "no such user"),
    ],
)
def test_the_pooler_refuses_what_is_not_proven(server: Server, change: dict[str, str], said: str) -> None:
    good = {
        **console(server),
        "user": "freelance_user",
        "password": "test-freelance_user",
        "dbname": "freelance_platform",
    }
    with psycopg.connect(**good) as works:
        assert works.info.user == "freelance_user"
    with pytest.raises(psycopg.OperationalError, match=said):
        psycopg.connect(**{**good, **change})


@pytest.mark.usefixtures("server")
def test_the_cache_keeps_what_the_application_gives_it() -> None:
    caches["default"].set("key", {"名称": 1})
    assert caches["default"].get("key") == {"名称": 1}
    caches["default"].delete("key")
    assert caches["default"].get("key") is None


def test_the_cache_refuses_strangers_plain_text_and_orders_of_an_operator(server: Server) -> None:
    tls: dict[str, Any] = {"ssl": True, "ssl_ca_certs": settings.CACHES["default"]["OPTIONS"]["ssl_ca_certs"]}
    user: dict[str, Any] = {"username": "freelance", "password": endpoints.CACHE_PASSWORD}
    app = Redis(host=server.address, **tls, **user)
    assert app.ping()
    with pytest.raises(ResponseError, match="no permissions"):
        app.config_get("*")
    with pytest.raises(AuthenticationError):
        Redis(host=server.address, **tls, **{**user, "password": "wrong"}).ping()
    with pytest.raises(RedisConnectionError):
        # Once: the client's own ten attempts take seconds.
        Redis(host=server.address, retry=Retry(NoBackoff(), 0), **user).ping()
