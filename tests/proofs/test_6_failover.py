"""Hosts and poolers die; the client that uses the card's own connection string goes on and loses nothing."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

import psycopg

from tests.host import clients
from tests.host.environment import ROOT, Environment
from tests.proofs.tools import RETRY_SECONDS, Writer, healthy, leader_of, wait_for

OUTAGE_SECONDS_MAX = 60
REJOIN_SECONDS_MAX = 120


def podman(*arguments: str) -> None:
    """Act on a lab host from outside."""
    subprocess.run(["podman", *arguments], check=True, capture_output=True, timeout=60)


def test_a_killed_leader_is_replaced_without_losing_an_acknowledged_row(
    lab: Environment, members: Callable[[], dict[str, dict[str, Any]]], leader: str, card: dict[str, Any]
) -> None:
    count = len(lab.hosts("database"))
    wait_for("a healthy cluster", lambda: healthy(members(), count), REJOIN_SECONDS_MAX)
    writer = Writer(card)
    writer.start()
    wait_for("first writes", lambda: len(writer.acknowledged) > 20, 20)
    podman("kill", f"{lab.name}-{leader}")
    killed, before = time.monotonic(), len(writer.acknowledged)
    try:
        wait_for("writes after the kill", lambda: writer.last_write > killed + 3, OUTAGE_SECONDS_MAX)
        wait_for("more writes", lambda: len(writer.acknowledged) > before + 50, 30)
    finally:
        podman("start", f"{lab.name}-{leader}")
        writer.stop()
    print(f"\nlongest time without an acknowledged write: {writer.longest_gap:.1f} s")
    assert writer.lost() == set()
    assert leader_of(members()) != leader
    wait_for("the killed host is a member again", lambda: healthy(members(), count), REJOIN_SECONDS_MAX)


def test_a_users_psql_is_on_the_host_that_leads_now(leader: str) -> None:
    words = "\\! hostname\nselect 'recovery: ' || pg_is_in_recovery();\n"
    done = subprocess.run(
        ["make", "psql"], input=words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert leader in done.stdout.split()
    assert "recovery: false" in done.stdout


def test_a_client_survives_the_death_of_its_pooler(
    lab: Environment, on: Callable[[str, str], str], card: dict[str, Any]
) -> None:
    def pooler(connection: psycopg.Connection) -> str:
        address = connection.info.hostaddr
        return next(name for name in lab.hosts("database") if lab.declared(name)["platform_host"]["address"] == address)

    connection = clients.connect(card, "pooled")
    first = pooler(connection)
    on(first, "systemctl kill --signal=KILL pgbouncer.service; systemctl stop pgbouncer.service")
    try:
        started = time.monotonic()
        while True:
            try:
                connection.execute("select 1")
                break
            except psycopg.OperationalError:
                assert time.monotonic() - started < OUTAGE_SECONDS_MAX, "no other pooler took the client"
                try:
                    connection = clients.connect(card, "pooled")
                except psycopg.OperationalError:
                    time.sleep(RETRY_SECONDS)
        assert pooler(connection) != first
    finally:
        on(first, "systemctl start pgbouncer.service")
        connection.close()
