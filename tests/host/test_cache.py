"""The cache: TLS only, one user for the application, memory bounded, nothing kept on disk."""

from types import SimpleNamespace
from typing import Any

import pytest
import redis

from tests.host.environment import Environment


def client(environment: Environment, seen: SimpleNamespace, **changes: Any) -> redis.Redis:
    """Connect as the application does: by name in the certificate, over TLS."""
    address = seen.contract["address"]
    settings: dict[str, Any] = {
        "host": address,
        "port": seen.declared["cache_port"],
        "ssl": True,
        "ssl_ca_certs": str(environment.authority_file()),
        "username": seen.declared["cache_app_user"],
        "password": environment.secret("cache_app_password"),
        "socket_connect_timeout": 3,
        "decode_responses": True,
    }
    return redis.Redis(**{**settings, **changes})


def test_the_application_writes_and_reads(cache_host: SimpleNamespace, environment: Environment) -> None:
    with client(environment, cache_host) as connection:
        connection.set("verification", "好", ex=10)
        assert connection.get("verification") == "好"
        connection.delete("verification")


def test_plain_text_is_refused(cache_host: SimpleNamespace, environment: Environment) -> None:
    with client(environment, cache_host, ssl=False) as connection, pytest.raises(redis.ConnectionError):
        connection.ping()


def test_nobody_gets_in_without_a_password(cache_host: SimpleNamespace, environment: Environment) -> None:
    with (
        client(environment, cache_host, username=None, password=None) as connection,
        pytest.raises((redis.AuthenticationError, redis.ConnectionError, redis.ResponseError)),
    ):
        connection.get("verification")


def test_the_application_may_not_administrate(cache_host: SimpleNamespace, environment: Environment) -> None:
    with client(environment, cache_host) as connection:
        for command in (["CONFIG", "GET", "*"], ["ACL", "LIST"], ["SHUTDOWN"], ["DEBUG", "SLEEP", "0"]):
            with pytest.raises(redis.ResponseError):
                connection.execute_command(*command)


def test_memory_is_bounded_and_the_least_used_goes_first(cache_host: SimpleNamespace, environment: Environment) -> None:
    with client(environment, cache_host) as connection:
        memory = connection.info("memory")
        assert memory["maxmemory"] == int(cache_host.declared["cache_memory_mib"]) * 1024**2
        assert memory["maxmemory_policy"] == "allkeys-lfu"
        persistence = connection.info("persistence")
        assert (persistence["aof_enabled"], persistence["rdb_bgsave_in_progress"]) == (0, 0)
