"""The connection card: what it says of the golden contracts, and that it says no secret."""

import json
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.loading import load

ROOT = Path(__file__).resolve().parents[3]
NAMES = {"pooled": "pooled", "direct": "direct", "read_only": "read-only"}
DATABASES = {"main": "freelance_platform", "replica": "freelance_platform_replica"}


@pytest.fixture(scope="module")
def card_filter() -> ModuleType:
    return load(ROOT / "ansible/plugins/filter/connection_card.py")


@pytest.fixture
def card(card_filter: ModuleType, contract: dict[str, Any]) -> dict[str, Any]:
    cluster = contract["clusters"]["main"]
    return dict(card_filter.connection_card(cluster, "main", "lab", "/ca.crt", DATABASES))


def test_every_way_lists_all_hosts_and_checks_their_name(card: dict[str, Any]) -> None:
    assert set(card["connections"]) == {"pooled", "replica", "direct", "read_only_direct"}
    for way in card["connections"].values():
        parameters = way["parameters"]
        assert parameters["sslmode"] == "verify-full"
        assert (
            len(parameters["host"].split(",")) == len(parameters["hostaddr"].split(",")) == len(way["endpoints"]) == 3
        )
    assert card["connections"]["pooled"]["parameters"]["host"] == "pooled.lab,pooled.lab,pooled.lab"
    assert card["connections"]["replica"]["parameters"]["dbname"] == "freelance_platform_replica"
    assert card["connections"]["direct"]["parameters"]["user"] == "freelance_migrator"


def test_a_balancer_is_reached_by_the_name_that_certificates_carry(
    card_filter: ModuleType, contract: dict[str, Any]
) -> None:
    cluster = contract["clusters"]["main"]
    cluster["endpoints"]["pooled"] = ["balancer.example.internal:6432"]
    found = card_filter.connection_card(cluster, "main", "lab", "/ca.crt", DATABASES)
    for way in ("pooled", "replica"):
        assert found["connections"][way]["parameters"]["host"] == "pooled.lab"
        assert "hostaddr" not in found["connections"][way]["parameters"]
        assert found["connections"][way]["jdbc"].startswith("jdbc:postgresql://pooled.lab:6432/")
    assert found["resolve"]["aliases"] == ["pooled.lab -> balancer.example.internal"]
    assert found["resolve"]["hosts"][0] == "10.99.0.11 direct.lab read-only.lab"


def test_names_that_dns_knows_need_no_help_of_the_client(card_filter: ModuleType, contract: dict[str, Any]) -> None:
    names = {key: f"{prefix}.example.internal" for key, prefix in NAMES.items()}
    ports = {"pooled": 6432, "direct": 5000, "read_only_direct": 5001}
    entries = {way: [f"{names[way.removesuffix('_direct')]}:{port}"] for way, port in ports.items()}
    cluster = {**contract["clusters"]["main"], "endpoints": {**entries, "names": names}}
    found = card_filter.connection_card(cluster, "main", "lab", "/ca.crt", DATABASES)
    assert found["resolve"] == {"hosts": [], "aliases": []}
    for way, connection in found["connections"].items():
        parameters = connection["parameters"]
        assert [f"{parameters['host']}:{parameters['port']}"] == entries[{"replica": "pooled"}.get(way, way)]
        assert hosts_of_jdbc(connection["jdbc"]) == connection["endpoints"]
        assert parameters["sslmode"] == "verify-full"
        assert "hostaddr" not in parameters


def hosts_of_jdbc(url: str) -> list[str]:
    return url.removeprefix("jdbc:postgresql://").partition("/")[0].split(",")


@pytest.mark.parametrize(("way", "name"), [("direct", "direct.lab:5000"), ("read_only_direct", "read-only.lab:5001")])
def test_jdbc_checks_a_balanced_port_by_the_name_of_the_service(card: dict[str, Any], way: str, name: str) -> None:
    # The leader behind it shows its own certificate, whose address is not the one that the client connects to.
    assert hosts_of_jdbc(card["connections"][way]["jdbc"]) == [name]


@pytest.mark.parametrize("way", ["pooled", "replica"])
def test_jdbc_lists_the_poolers_which_show_certificates_of_their_own(card: dict[str, Any], way: str) -> None:
    assert hosts_of_jdbc(card["connections"][way]["jdbc"]) == card["connections"][way]["endpoints"]


def test_the_card_tells_what_the_names_have_to_resolve_to(card: dict[str, Any]) -> None:
    assert card["resolve"] == {
        "hosts": [f"10.99.0.{number} pooled.lab direct.lab read-only.lab" for number in (11, 12, 13)],
        "aliases": [],
    }


def test_a_name_is_never_checked_against_an_address_of_another_host(card: dict[str, Any]) -> None:
    services = {
        "pooled": "pooled.lab",
        "replica": "pooled.lab",
        "direct": "direct.lab",
        "read_only_direct": "read-only.lab",
    }
    for name, way in card["connections"].items():
        assert set(way["parameters"]["host"].split(",")) == {services[name]}
        assert f"host={way['parameters']['host']} " in way["libpq"]
        assert f"hostaddr={way['parameters']['hostaddr']} " in way["libpq"]


@pytest.mark.parametrize("style", ["plain", '"quoted"', "'quoted'"])
def test_the_read_command_prints_the_secret(card_filter: ModuleType, tmp_path: Path, style: str) -> None:
    secrets = tmp_path / "secrets.yml"
    secrets.write_text(f"# comment\nother_password: x\nmonitor_password: {style}\n", encoding="utf-8")
    command = card_filter.read_command(f"file:{secrets}#monitor_password")
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == style.strip("\"'")


def test_an_aws_secret_is_read_by_its_own_tool(card_filter: ModuleType) -> None:
    contract = json.loads((ROOT / "tests/golden/production/contract.json").read_text(encoding="utf-8"))
    card = card_filter.connection_card(contract["clusters"]["main"], "main", "production", "/ca.crt", DATABASES)
    assert card["secrets"]["monitor_password"]["read"].startswith(
        "aws secretsmanager get-secret-value --region eu-central-1 --secret-id arn:"
    )
