"""The contract: one shape for each target, the same in dataclasses and schema, and refusals with a remedy."""

import copy
import dataclasses
import json
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from infra import contract, export, stack_config, topology
from infra.contract_checks import SCHEMA_FILE, ContractError, parse
from infra.problems import SettingsError
from infra.secret_names import SECRETS
from infra.target import Declared
from pulumi_recorder import PROJECT, ROOT, config_of

GOLDEN = {
    name: json.loads((ROOT / f"tests/golden/{name}/contract.json").read_text(encoding="utf-8"))
    for name in ("lab", "production")
}
SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
SHAPES = {
    contract.Contract: SCHEMA,
    contract.Cluster: SCHEMA["$defs"]["cluster"],
    contract.Host: SCHEMA["$defs"]["host"],
    contract.Connections: SCHEMA["$defs"]["cluster"]["properties"]["connections"],
    contract.Connect: SCHEMA["$defs"]["connect"],
    contract.Volume: SCHEMA["$defs"]["volume"],
    contract.Endpoints: SCHEMA["$defs"]["cluster"]["properties"]["endpoints"],
    contract.EndpointNames: SCHEMA["$defs"]["cluster"]["properties"]["endpoints"]["properties"]["names"],
    contract.CertificateAuthority: SCHEMA["$defs"]["cluster"]["properties"]["certificate_authority"],
    contract.HostRepository: SCHEMA["$defs"]["repository"]["oneOf"][0],
    contract.BucketRepository: SCHEMA["$defs"]["repository"]["oneOf"][1],
    contract.Bucket: SCHEMA["$defs"]["bucket"],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_contract_comes_back_as_it_was(name: str) -> None:
    assert parse(GOLDEN[name]).to_json() == GOLDEN[name]


@pytest.mark.parametrize("kind", SHAPES, ids=lambda kind: kind.__name__)
def test_dataclasses_and_schema_have_the_same_fields(kind: type) -> None:
    fields = {field.name for field in dataclasses.fields(kind)}
    assert fields == set(SHAPES[kind]["properties"]) == set(SHAPES[kind]["required"])
    assert SHAPES[kind]["additionalProperties"] is False


def shape(value: Any) -> Any:
    """Return the keys and types of a value; lists by their first item."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def test_both_targets_have_the_same_shape() -> None:
    lab, production = copy.deepcopy(GOLDEN["lab"]), copy.deepcopy(GOLDEN["production"])
    for value in (lab, production):  # the three things in which targets may differ
        del value["clusters"]["main"]["repository"]
        value["services"][0]["volumes"] = []
        for host in value["clusters"]["main"]["hosts"] + value["services"]:
            del host["connect"]["proxy_command"]
    assert shape(lab) == shape(production)


def test_nothing_declares_a_leader() -> None:
    assert "leader" not in json.dumps(GOLDEN)
    assert "primary" not in json.dumps(GOLDEN)


def hosts(value: dict[str, Any]) -> list[dict[str, Any]]:
    return value["clusters"]["main"]["hosts"]  # type: ignore[no-any-return]  # decoded JSON


REFUSALS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another version": (lambda v: v.update(version=1), r"version 1: this checkout reads version 2; run `pulumi up`"),
    "no version": (lambda v: v.pop("version"), r"no contract"),
    "an unknown key": (lambda v: v.update(leader="db1"), r"'leader' was unexpected"),
    "a missing key": (lambda v: v.pop("network"), r"'network' is a required property"),
    "a secret's value": (
        lambda v: v["clusters"]["main"]["secrets"].update(stats_password="hunter2"),
        r"\$\.clusters\.main\.secrets\.stats_password",
    ),
    "a name with a quote": (lambda v: hosts(v)[0].update(name="db'1"), r"does not match"),
    "an address twice": (lambda v: hosts(v)[1].update(address="10.99.0.11"), r"address 10\.99\.0\.11 is used by more"),
    "a name twice": (lambda v: hosts(v)[1].update(name="db1"), r"name db1 is used by more than one host"),
    "an address elsewhere": (lambda v: hosts(v)[0].update(address="10.1.0.1"), r"db1's address 10\.1\.0\.1 lies outs"),
    "an address that is none": (lambda v: hosts(v)[0].update(address="10.99.0.999"), r"10\.99\.0\.999"),
    "an even etcd": (lambda v: hosts(v)[0].update(etcd_member=False), r"2 etcd members; 1, 3 or 5"),
    "two database hosts": (
        lambda v: hosts(v).pop(),
        r"main has 2 active hosts; 1 or 3 to 10 are possible",
    ),
    "two hosts beside a retiring one": (lambda v: hosts(v)[2].update(state="retiring"), r"main has 2 active hosts"),
    "a connection of nobody": (lambda v: hosts(v)[0]["connect"].update(user=""), r"connect\.user"),
    "a name with a dash at its end": (lambda v: v.update(environment="lab-"), r"environment"),
    "a repository nobody serves": (
        lambda v: v["clusters"]["main"]["repository"].update(host="service2"),
        r"backs up to service2, which serves no repository",
    ),
    "a device elsewhere": (lambda v: hosts(v)[0]["volumes"][0].update(device="/etc/passwd"), r"device"),
}


@pytest.mark.parametrize(("change", "message"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_wrong_contract_is_refused(change: Callable[[dict[str, Any]], object], message: str) -> None:
    value = copy.deepcopy(GOLDEN["lab"])
    change(value)
    with pytest.raises(ContractError, match=message):
        parse(value)


@pytest.mark.parametrize("value", [None, [], "contract", 1, {}])
def test_what_is_no_contract_is_refused(value: object) -> None:
    with pytest.raises(ContractError, match="run `pulumi up`"):
        parse(value)


WORDS = st.text(alphabet="abzA0-_.\n", max_size=44) | st.sampled_from(["lab", "eu-1", "a" * 41, "a" * 42])


@given(stack=WORDS, zones=st.lists(WORDS, min_size=3, max_size=3), user=WORDS, clients=st.ip_addresses(v=4))
def test_whatever_the_settings_accept_makes_a_contract(
    stack: str, zones: list[str], user: str, clients: IPv4Address
) -> None:
    """So a name that the contract would refuse is refused before a resource exists."""
    values = {"zones": zones, "ssh_user": user, "clients": [f"{clients}/32"]}
    try:
        plan = topology.plan(stack_config.read(config_of("lab", **values), project=PROJECT, stack=stack))
    except SettingsError:
        return
    connect = {**hosts(GOLDEN["lab"])[0]["connect"], "user": plan.settings.ssh.user}
    declared = Declared(
        architecture="x86_64",
        virtual="container",
        hosts={},
        repository={},
        secrets={},
        ca_certificate="",
        ca_private_key="",
    )
    known = {
        "hosts": {
            host.name: {"connect": connect, "devices": {volume.purpose: "/dev/sda" for volume in host.volumes}}
            for host in plan.hosts
        },
        "repository": {"type": "host", "host": "service1", "retention_days": 30},
        "secrets": {name: f"file:secrets.yml#{name}" for name in SECRETS},
        "ca_certificate": "file:ca.crt",
        "ca_private_key": "file:ca.key",
        "endpoint_names": {},
    }
    assert export.build(plan, declared, known)["environment"] == stack
