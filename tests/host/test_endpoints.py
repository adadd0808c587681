"""What clients get from this machine: the ways of the card work, every other way is refused."""

import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.host import clients
from tests.host.environment import ROOT, Environment

REPLAY_SECONDS_MAX = 10
TEMPLATE = ROOT / "ansible/playbooks/show_card.yml"


@pytest.fixture(scope="module")
def card(environment: Environment) -> dict[str, Any]:
    assert clients.written_card(environment).exists(), f"no card: run ansible-playbook {TEMPLATE.relative_to(ROOT)}"
    return clients.card(environment)


def test_the_card_holds_no_secret(environment: Environment, card: dict[str, Any]) -> None:
    values = [environment.secret(name) for name in card["secrets"]]
    for path in clients.written_card(environment).parent.glob("card.*"):
        text = path.read_text(encoding="utf-8")
        assert not [name for name, value in zip(card["secrets"], values, strict=True) if value in text], path


@pytest.mark.parametrize("way", ["pooled", "replica", "direct", "read_only_direct"])
def test_every_endpoint_of_the_card_answers(card: dict[str, Any], way: str) -> None:
    for index, endpoint in enumerate(card["connections"][way]["endpoints"]):
        with clients.connect(card, way, **clients.only(card, way, index)) as connection:
            row = connection.execute("select current_database(), current_user, pg_is_in_recovery()").fetchone()
            assert row is not None
            assert row[:2] == ("freelance_platform", card["connections"][way]["parameters"]["user"]), endpoint
            if way in {"pooled", "direct"}:
                assert row[2] is False, f"{endpoint} does not lead to the leader"


def test_what_is_written_through_the_pool_is_read_from_a_replica(
    card: dict[str, Any], environment: Environment
) -> None:
    slug = f"verification-{uuid.uuid4().hex}"
    insert = "insert into accounts_skill (name, slug, area, sort_order, is_active) values (%s, %s, 'data', 0, false)"
    with clients.connect(card, "pooled") as writer, clients.connect(card, "replica") as reader:
        writer.execute(insert, [slug, slug])
        try:
            end = time.monotonic() + REPLAY_SECONDS_MAX
            while not reader.execute("select 1 from accounts_skill where slug = %s", [slug]).fetchone():
                assert time.monotonic() < end, f"not on the replica after {REPLAY_SECONDS_MAX} s"
                time.sleep(0.1)
            if len(environment.hosts("database")) > 1:
                assert reader.execute("select pg_is_in_recovery()").fetchone() == (True,)
        finally:
            writer.execute("delete from accounts_skill where slug = %s", [slug])


@pytest.mark.parametrize("way", ["pooled", "direct"])
def test_a_client_without_the_authority_is_refused_by_itself(card: dict[str, Any], way: str, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.crt"
    subject = ["-subj", "/CN=foreign", "-keyout", str(tmp_path / "foreign.key"), "-out", str(foreign)]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject], check=True, capture_output=True
    )
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        clients.connect(card, way, sslrootcert=str(foreign))


@pytest.mark.parametrize("way", ["pooled", "direct", "read_only_direct"])
def test_plain_text_is_refused(card: dict[str, Any], way: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"SSL required|no encryption|pg_hba"):
        clients.connect(card, way, sslmode="disable")


@pytest.mark.parametrize("way", ["pooled", "direct"])
def test_no_superuser_gets_in_over_the_network(card: dict[str, Any], way: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        clients.connect(card, way, user="postgres")


def test_a_wrong_password_is_refused(card: dict[str, Any]) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"password authentication failed|SASL"):
        clients.connect(card, "pooled", password="wrong")


def test_the_application_role_may_not_define_tables(card: dict[str, Any]) -> None:
    with clients.connect(card, "pooled") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("create table verification (x int)")


def test_postgresql_itself_is_out_of_reach(environment: Environment, card: dict[str, Any]) -> None:
    operator = environment.declared(environment.hosts("database")[0])
    address = operator["platform_host"]["address"]
    with pytest.raises(psycopg.OperationalError):
        clients.connect(card, "direct", host=address, hostaddr=address, port=5432, connect_timeout=2)


def test_the_pooler_offers_both_databases(found: dict[str, Any], environment: Environment) -> None:
    for name in environment.hosts("database"):
        lines = [line.split("|")[0] for line in found[name]["as_postgres"]["pool_databases"].splitlines()]
        assert set(lines) >= {"freelance_platform", "freelance_platform_replica"}, found[name]["as_postgres"]
