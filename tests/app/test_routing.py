"""Reads go to the replica, never a reader's own write; the application lives on without its cache."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import factories as make
import pytest
from apps.accounts.models import User
from apps.gigs.models import Category, Gig
from config import cache as cache_module
from config.router import all_on, direct_alias, fresh_reader
from django.conf import settings
from django.core.cache import caches
from django.db import connections, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from redis.exceptions import ConnectionError as RedisConnectionError


@pytest.fixture(autouse=True)
def reader(migrated: object) -> Iterator[None]:  # noqa: ARG001 (it comes first)
    with fresh_reader():
        yield


def queries(alias: str) -> Any:
    return CaptureQueriesContext(connections[alias])


def test_a_read_goes_to_the_replica() -> None:
    with queries("replica") as replica, queries("default") as leader:
        list(Category.objects.all()[:1])
    assert (len(replica), len(leader)) == (1, 0)


def test_a_reader_who_wrote_reads_from_the_leader_for_a_while() -> None:
    user = make.user()
    with queries("replica") as replica:
        assert User.objects.get(pk=user.pk).username == user.username
    assert len(replica) == 0
    later = time.monotonic() + 6
    with mock.patch("config.router.time.monotonic", return_value=later):
        assert User.objects.all().db == "replica"


def test_a_transaction_that_outlasts_the_pin_pins_again_when_it_commits() -> None:
    now = time.monotonic()
    with mock.patch("config.router.time.monotonic", return_value=now) as clock:
        with transaction.atomic(using="default"):
            make.user()
            clock.return_value = now + 60
        assert User.objects.all().db == "default"


def test_another_reader_is_not_pinned() -> None:
    make.user()
    with fresh_reader():
        assert User.objects.all().db == "replica"
    assert User.objects.all().db == "default"


def test_inside_a_transaction_everything_is_read_from_the_leader() -> None:
    with transaction.atomic(using="default"):
        assert User.objects.all().db == "default"
    assert User.objects.all().db == "replica"


def test_one_alias_takes_everything_when_it_is_told_to() -> None:
    assert direct_alias() == "direct"
    with all_on("direct"):
        assert User.objects.all().db == "direct"
        assert make.category().pk
    assert User.objects.all().db == "replica"


@pytest.mark.usefixtures("database")
def test_a_page_of_gigs_takes_four_queries_however_many_there_are() -> None:
    category = make.category()
    for _ in range(5):
        make.package(gig=make.gig(category=category))
    with queries("default") as counted:
        for gig in Gig.objects.in_category(category).with_people():
            assert gig.freelancer.username
            assert gig.category.name
            assert [package.price for package in gig.packages.all()]
            assert not [*gig.requirements.all(), *gig.faqs.all()]
    assert len(counted) == 4


@pytest.fixture
def dead_cache() -> Iterator[Any]:
    """A cache whose server refuses connections."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with cache_at(f"redis://127.0.0.1:{port}/0") as made:
        yield made


@contextmanager
def cache_at(location: str, seconds: float | None = None) -> Iterator[Any]:
    """A cache at `location` with the settings' own options; `seconds` replaces their timeouts."""
    set_to = settings.CACHES["default"]["OPTIONS"]
    options = {name: set_to[name] for name in ("socket_connect_timeout", "socket_timeout", "retry")}
    if seconds is not None:
        options |= {"socket_connect_timeout": seconds, "socket_timeout": seconds}
    made = {"BACKEND": "config.cache.ForgivingRedisCache", "LOCATION": location, "OPTIONS": options}
    cache_module.ForgivingRedisCache._resting_until = 0.0
    with override_settings(CACHES={**settings.CACHES, "default": made}):
        yield caches["default"]
    cache_module.ForgivingRedisCache._resting_until = 0.0


@contextmanager
def tls_server(context: ssl.SSLContext | None) -> Iterator[int]:
    """Port of a server that shakes hands and says no more; without a context it hangs up at once."""

    def answer() -> None:
        # Closing the listener ends the thread; a client that leaves does not.
        with suppress(OSError):
            while True:
                with listener.accept()[0] as client, suppress(OSError):
                    if context:
                        context.wrap_socket(client, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_without_the_cache_every_look_up_is_a_miss(dead_cache: Any) -> None:
    dead_cache.set("key", 1)
    assert dead_cache.get("key", "miss") == "miss"
    assert dead_cache.get_many(["key"]) == {}
    assert dead_cache.set_many({"key": 1}) == ["key"]
    assert dead_cache.add("key", 1) is False
    assert dead_cache.delete("key") is False
    assert dead_cache.touch("key") is False
    assert dead_cache.has_key("key") is False
    assert dead_cache.incr("key", 2) == 2
    assert dead_cache.get_or_set("key", lambda: "computed") == "computed"
    dead_cache.delete_many(["key"])
    dead_cache.clear()


def test_a_dead_cache_is_asked_once_and_then_left_alone(dead_cache: Any) -> None:
    with mock.patch("redis.connection.Connection._connect", side_effect=ConnectionRefusedError) as connect:
        for _ in range(50):
            dead_cache.get("key")
    # And once more, for the case that only the connection was old.
    assert connect.call_count == 2


def test_a_mistake_in_the_password_is_not_forgiven(dead_cache: Any) -> None:
    from redis.exceptions import AuthenticationError  # noqa: PLC0415 (used here alone)

    with (
        mock.patch("redis.connection.Connection.connect", side_effect=AuthenticationError("wrong password")),
        pytest.raises(AuthenticationError),
    ):
        dead_cache.get("key")


def test_a_certificate_of_another_authority_is_not_forgiven(tmp_path: Path) -> None:
    key, certificate = tmp_path / "cache.key", tmp_path / "cache.crt"
    words = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=cache.test"]
    subprocess.run(["openssl", "req", "-x509", *words, "-keyout", key, "-out", certificate], check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with tls_server(context) as port, cache_at(f"rediss://127.0.0.1:{port}/0", seconds=10) as cache:
        for _ in range(2):
            with pytest.raises(RedisConnectionError, match="certificate verify failed"):
                cache.get("key")


def test_a_cache_that_hangs_up_while_shaking_hands_is_a_miss() -> None:
    with tls_server(None) as port, cache_at(f"rediss://127.0.0.1:{port}/0") as cache:
        assert cache.get("key", "miss") == "miss"
