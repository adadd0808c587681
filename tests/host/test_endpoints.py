"""What clients get from this machine: the ways of the card work, every other way is refused."""

import re
import subprocess
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from tests.host import clients
from tests.host.environment import Environment

REPLAY_SECONDS_MAX = 10
WAYS = ["pooled", "replica", "direct", "read_only_direct"]
POOLED = {"pooled", "replica"}  # behind PgBouncer; the others lead through the balancer to PostgreSQL itself


def test_the_card_holds_no_secret(environment: Environment, card: dict[str, Any]) -> None:
    values = [environment.secret(name) for name in card["secrets"]]
    for path in clients.written_card(environment).parent.glob("card.*"):
        text = path.read_text(encoding="utf-8")
        assert not [name for name, value in zip(card["secrets"], values, strict=True) if value in text], path


def test_the_card_lists_every_endpoint_of_the_contract(card: dict[str, Any], environment: Environment) -> None:
    declared = environment.declared(environment.hosts("database")[0])["platform_endpoints"]
    wanted = {**{way: declared[way] for way in WAYS if way in declared}, "replica": declared["pooled"]}
    assert {way: connection["endpoints"] for way, connection in card["connections"].items()} == wanted


@pytest.mark.parametrize("way", WAYS)
def test_every_endpoint_of_the_card_leads_where_it_says(
    card: dict[str, Any], way: str, environment: Environment
) -> None:
    # With one database host there is no standby: what reads from one is led to the leader.
    standby = way in {"replica", "read_only_direct"} and len(environment.hosts("database")) > 1
    for endpoint, changes in clients.each(card, way):
        with clients.connect(card, way, **changes) as connection:
            row = connection.execute("select current_database(), current_user, pg_is_in_recovery()").fetchone()
        assert row == ("freelance_platform", card["connections"][way]["parameters"]["user"], standby), endpoint


def test_what_is_written_through_the_pool_is_read_from_a_replica(
    card: dict[str, Any], environment: Environment
) -> None:
    slug = f"verification-{uuid.uuid4().hex}"
    with clients.connect(card, "pooled") as writer, clients.connect(card, "replica") as reader:
        writer.execute(clients.INSERT_SKILL, {"slug": slug})
        try:
            end = time.monotonic() + REPLAY_SECONDS_MAX
            while not reader.execute("select 1 from accounts_skill where slug = %s", [slug]).fetchone():
                assert time.monotonic() < end, f"not on the replica after {REPLAY_SECONDS_MAX} s"
                time.sleep(0.1)
            if len(environment.hosts("database")) > 1:
                assert reader.execute("select pg_is_in_recovery()").fetchone() == (True,)
        finally:
            clients.delete_skills(writer, slug)


@pytest.mark.parametrize("way", WAYS)
def test_a_client_without_the_authority_is_refused_by_itself(card: dict[str, Any], way: str, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.crt"
    subject = ["-subj", "/CN=foreign", "-keyout", str(tmp_path / "foreign.key"), "-out", str(foreign)]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject], check=True, capture_output=True
    )
    assert refusals(card, way, "certificate verify failed", sslrootcert=str(foreign)) == {}


@pytest.mark.parametrize("way", WAYS)
def test_plain_text_is_refused(card: dict[str, Any], way: str) -> None:
    reason = "SSL required" if way in POOLED else "no pg_hba.conf entry for .* no encryption"
    assert refusals(card, way, reason, sslmode="disable") == {}


@pytest.mark.parametrize("way", WAYS)
def test_no_superuser_gets_in_over_the_network(card: dict[str, Any], way: str) -> None:
    # postgres has no password, so a refused log-in alone proves nothing: the reason must be the rule. The pooler knows
    # no such user, because its look-up gives no superuser away.
    reason = "no such user" if way in POOLED else "pg_hba.conf rejects connection"
    assert refusals(card, way, reason, user="postgres") == {}


@pytest.mark.parametrize("way", sorted(POOLED))
def test_the_pooler_lets_no_direct_role_in(card: dict[str, Any], way: str) -> None:
    assert refusals(card, way, "no authentication method", user="freelance_migrator") == {}


@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_password_is_refused(card: dict[str, Any], way: str) -> None:
    assert refusals(card, way, "password authentication failed|SASL authentication failed", password="wrong") == {}


def test_the_application_role_may_not_define_tables(card: dict[str, Any]) -> None:
    with clients.connect(card, "pooled") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("create table verification (x int)")


def test_postgresql_itself_is_out_of_reach(environment: Environment, card: dict[str, Any]) -> None:
    for name in environment.hosts("database"):
        address = environment.declared(name)["platform_host"]["address"]
        # Silence is the firewall's answer; any word would come from PostgreSQL.
        with pytest.raises(psycopg.OperationalError, match="timeout expired"):
            clients.connect(card, "direct", host=address, hostaddr=address, port=5432, connect_timeout=2)


def test_the_pooler_runs_with_the_declared_settings(database_host: SimpleNamespace) -> None:
    shown = database_host.as_postgres["pool_settings"]
    live = dict(line.split("|")[:2] for line in shown.splitlines() if "|" in line)
    wanted = {name: str(value) for name, value in database_host.declared["__pgbouncer_settings"].items()}
    assert {name: live.get(name) for name in wanted} == wanted, shown[:400]


def test_the_pooler_offers_both_databases(found: dict[str, Any], environment: Environment) -> None:
    for name in environment.hosts("database"):
        lines = [line.split("|")[0] for line in found[name]["as_postgres"]["pool_databases"].splitlines()]
        assert set(lines) >= {"freelance_platform", "freelance_platform_replica"}, found[name]["as_postgres"]


def refusals(card: dict[str, Any], way: str, reason: str, **changes: object) -> dict[str, str]:
    """Return the endpoints of a way that let a client in or refuse it for another reason, and what they said."""
    wrong = {}
    for endpoint, one in clients.each(card, way):
        try:
            clients.connect(card, way, **{**one, **changes}).close()
        except psycopg.OperationalError as error:
            if not re.search(reason, str(error)):
                wrong[endpoint] = f"refused, but not by {reason!r}: {error}"
        else:
            wrong[endpoint] = "let in"
    return wrong
