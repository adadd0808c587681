"""Types and names are what state is found by: a change of one is a replacement of what it names."""

import json

import pulumi
import pytest
from pulumi_recorder import ROOT, Recording, record

FROZEN = ROOT / "tests/golden/resources.production.txt"


def test_types_and_names_are_the_ones_in_the_state_of_running_stacks(production: Recording) -> None:
    """A deliberate change needs an alias in the program and the new list: tests/golden/resources.production.txt."""
    declared = sorted(f"{resource.type} {resource.name}" for resource in production.resources)
    assert declared == FROZEN.read_text(encoding="utf-8").splitlines()


def test_the_contract_is_the_golden_one(production: Recording) -> None:
    golden = json.loads((ROOT / "tests/golden/contract.production.json").read_text(encoding="utf-8"))
    assert production.contract == golden


def test_a_fourth_host_changes_no_other_resource(production: Recording) -> None:
    grown = record("production", database_hosts=4)
    kept = [resource for resource in grown.resources if not resource.name.startswith("db4")]
    before = {resource.urn: resource for resource in production.resources}
    assert {resource.urn: resource for resource in kept} == before


def test_a_retiring_host_is_declared_and_no_longer_offered_to_clients(production: Recording) -> None:
    cluster = record("production", database_hosts=4, retiring_hosts=["db4"]).contract["clusters"]["main"]
    assert [host["state"] for host in cluster["hosts"]] == ["active", "active", "active", "retiring"]
    assert cluster["endpoints"] == production.contract["clusters"]["main"]["endpoints"]


def test_the_program_refuses_to_drop_an_active_host(production: Recording) -> None:
    grown = record("production", database_hosts=4)
    with pytest.raises(pulumi.RunError, match="3 would remove db4"):
        record("production", previous=grown.contract)
    assert record("production", previous=production.contract).contract == production.contract
