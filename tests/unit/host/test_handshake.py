"""What a listener presents: the authority and the name are checked, and PostgreSQL's own request comes first."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.host import collect, plan, test_certificates
from tests.host.environment import Environment

Serve = Callable[..., int]


@pytest.fixture
def serve(authority: Path) -> Iterator[Serve]:
    """Start listeners that take one connection: with TLS, after PostgreSQL's request, or plain."""
    threads = []

    def start(certificate: str = "db1", greeting: bytes = b"", tls: bool = True) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(10)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority / f"{certificate}.crt", authority / f"{certificate}.key")

        def answer() -> None:
            with listener, listener.accept()[0] as client:
                if greeting:
                    assert client.recv(8) == collect.SSL_REQUEST
                    client.sendall(greeting)
                try:
                    if tls:
                        context.wrap_socket(client, server_side=True).close()
                except OSError:
                    pass  # the client has turned away, which is what is tested

        threads.append(threading.Thread(target=answer))
        threads[-1].start()
        return int(listener.getsockname()[1])

    yield start
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize("greeting", [b"", b"S"])
def test_a_listener_shows_its_certificate(serve: Serve, authority: Path, greeting: bytes) -> None:
    port = serve(greeting=greeting)
    shown = collect.handshake("127.0.0.1", port, "db1", bool(greeting), str(authority / "ca.crt"))
    assert shown.split() == (authority / "db1.crt").read_text(encoding="utf-8").split()


@pytest.mark.parametrize(
    ("listener", "asked", "reason"),
    [
        ({}, {"name": "db2"}, "Hostname mismatch"),
        ({}, {"authority": "foreign.crt"}, "certificate verify failed"),
        ({"certificate": "foreign"}, {}, "certificate verify failed"),
        ({"greeting": b"N", "tls": False}, {"starttls": True}, "without TLS"),
    ],
)
def test_who_can_not_be_trusted_is_told_with_the_reason(
    serve: Serve,
    authority: Path,
    listener: dict[str, Any],
    asked: dict[str, Any],
    reason: str,
) -> None:
    port = serve(**listener)
    asked = dict(asked)
    trusted = str(authority / asked.pop("authority", "ca.crt"))
    where = {"address": "127.0.0.1", "port": port, "name": "db1", "starttls": False, **asked}
    [answer] = collect.presented([where], trusted).values()
    assert reason in answer


def test_a_port_where_nobody_listens_is_told(authority: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    where = {"address": "127.0.0.1", "port": port, "name": "db1", "starttls": False}
    [answer] = collect.presented([where], str(authority / "ca.crt")).values()
    assert "Connection refused" in answer


def seen(environment: Environment, answer: str, on_disk: str) -> SimpleNamespace:
    listeners = plan.listeners(environment, "db1")
    return SimpleNamespace(
        name="db1",
        presented={f"{each['address']}:{each['port']}": answer for each in listeners},
        contents={each["certificate"]: on_disk for each in listeners},
    )


def test_a_missed_reload_is_told(environment: Environment, authority: Path) -> None:
    old, new = ((authority / f"{name}.crt").read_text(encoding="utf-8") for name in ("db1", "foreign"))
    verify = test_certificates.test_each_listener_presents_the_certificate_that_lies_on_the_host
    verify(seen(environment, old, old), environment)
    with pytest.raises(AssertionError, match="reload it"):
        verify(seen(environment, old, new), environment)
    with pytest.raises(AssertionError, match="timed out"):
        verify(seen(environment, "TimeoutError: timed out", old), environment)


def test_a_certificate_with_few_days_left_is_told(
    environment: Environment, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (authority / "db1.crt").read_text(encoding="utf-8")
    monkeypatch.setattr(test_certificates, "DAYS_MIN", 31)
    with pytest.raises(AssertionError, match="29"):
        test_certificates.test_each_listener_presents_the_certificate_that_lies_on_the_host(
            seen(environment, text, text), environment
        )


@pytest.mark.parametrize(("modified", "newer"), [(99.0, False), (101.0, True)])
def test_a_balancer_that_has_not_loaded_its_certificate_is_told(modified: float, newer: bool) -> None:
    folder = "/etc/ssl/platform"
    files = {f"{folder}/ca.crt": 1.0, f"{folder}/haproxy.pem": modified, "/run/haproxy/loaded": 100.0}
    host = SimpleNamespace(files={path: {"modified": when} for path, when in files.items()})
    verify = test_certificates.test_the_balancer_has_loaded_the_certificate_that_it_shows_to_patroni
    if newer:
        with pytest.raises(AssertionError, match="newer than the last load"):
            verify(host)
    else:
        verify(host)
