"""Bad input is refused before anything changes, with value and remedy; the hosts are the same afterwards."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.proofs.conftest import SITE, play

Alter = Callable[[Callable[[dict[str, Any]], None]], Path]
Snapshot = Callable[[], dict[str, str]]
UNUSED_ADDRESS = "10.99.0.99"


def _other_version(contract: dict[str, Any]) -> None:
    contract["version"] = 2


def _foreign(contract: dict[str, Any]) -> None:
    contract["environment"] = "production"


def _same_address(contract: dict[str, Any]) -> None:
    hosts = contract["clusters"]["main"]["hosts"]
    hosts[1]["address"] = hosts[0]["address"]


def _unreachable(contract: dict[str, Any]) -> None:
    contract["clusters"]["main"]["hosts"][2]["connect"]["host"] = UNUSED_ADDRESS


@pytest.mark.parametrize(
    ("alter", "message", "remedy"),
    [
        (_other_version, "version 2", "make up"),
        (_foreign, "environment 'production'", "make up"),
        (_same_address, "used by more than one host", "make up"),
        (_unreachable, f"db3 ({UNUSED_ADDRESS}:22) can't be reached", "pulumi up --stack lab"),
    ],
    ids=["other-version", "foreign", "same-address", "unreachable"],
)
def test_a_contract_that_does_not_fit_changes_nothing(
    altered_inventory: Alter, snapshot: Snapshot, alter: Callable[[dict[str, Any]], None], message: str, remedy: str
) -> None:
    before = snapshot()
    run = play("-i", str(altered_inventory(alter)), SITE)
    assert run.code != 0
    text = " ".join(run.output.split())
    assert message in text, run.output[-3000:]
    assert remedy in text
    assert run.changed == []
    assert snapshot() == before


def test_another_certificate_authority_is_refused(altered_inventory: Alter, snapshot: Snapshot, tmp_path: Path) -> None:
    certificate, key = tmp_path / "other.crt", tmp_path / "other.key"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-days", "30"]
    subprocess.run([*request, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    key.chmod(0o600)

    def alter(contract: dict[str, Any]) -> None:
        authority = contract["clusters"]["main"]["certificate_authority"]
        authority |= {"certificate": f"file:{certificate}", "private_key": f"file:{key}"}

    before = snapshot()
    run = play("-i", str(altered_inventory(alter)), SITE)
    assert run.code != 0
    assert "trusts another certificate authority" in " ".join(run.output.split()), run.output[-3000:]
    assert run.changed == []
    assert snapshot() == before


@pytest.mark.parametrize("value", ["CHANGE_ME", ""], ids=["placeholder", "empty"])
def test_a_placeholder_secret_is_refused_by_name(
    altered_inventory: Alter, snapshot: Snapshot, tmp_path: Path, value: str
) -> None:
    secrets = tmp_path / "secrets.yml"
    secrets.write_text(f'monitor_password: "{value}"\n', encoding="utf-8")
    secrets.chmod(0o600)

    def alter(contract: dict[str, Any]) -> None:
        contract["clusters"]["main"]["secrets"]["monitor_password"] = f"file:{secrets}#monitor_password"

    before = snapshot()
    run = play("-i", str(altered_inventory(alter)), SITE)
    assert run.code != 0
    text = " ".join(run.output.split())
    assert "monitor_password" in text
    assert "initialise_secrets.yml" in text
    assert run.changed == []
    assert snapshot() == before


def test_a_role_name_with_a_quote_is_refused(snapshot: Snapshot) -> None:
    before = snapshot()
    run = play(SITE, "--tags", "postgresql_access", "-e", '{"postgresql_access_roles": [{"name": "x\'; drop"}]}')
    assert run.code != 0
    assert "postgresql_access_roles" in run.output or "x'; drop" in run.output
    assert snapshot() == before


def test_pools_that_exceed_max_connections_are_refused(snapshot: Snapshot) -> None:
    before = snapshot()
    run = play(SITE, "--tags", "pgbouncer", "-e", "pgbouncer_database_connections_max=500")
    assert run.code != 0
    assert "max_connections" in run.output or "connections" in run.output
    assert snapshot() == before
