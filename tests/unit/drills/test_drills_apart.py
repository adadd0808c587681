"""The cluster apart from the lab is a site like any other: its contract is one that the inventory takes."""

import json
from pathlib import Path

from infra import contract_checks

from tests.drills import apart

ROOT = Path(__file__).resolve().parents[3]


HOSTS = {"drill-db1": "10.98.0.42", "drill-db2": "10.98.0.43", "drill-db3": "10.98.0.44"}


def test_three_hosts_with_two_buckets_are_made_of_the_labs_contract() -> None:
    lab = json.loads((ROOT / "tests/golden/lab/contract.json").read_text(encoding="utf-8"))
    made = apart.contract(lab, HOSTS)
    assert contract_checks.parse(made).to_json() == made
    main = made["clusters"]["main"]
    assert {host["name"]: host["connect"]["host"] for host in main["hosts"]} == HOSTS
    assert main["endpoints"]["direct"] == [f"{address}:5000" for address in HOSTS.values()]
    assert main["endpoints"]["names"] == lab["clusters"]["main"]["endpoints"]["names"]
    assert [host["volumes"][0]["device"] for host in main["hosts"]] == [f"/dev/lab/{name}-data" for name in HOSTS]
    assert main["repository"]["second"]["bucket"] != main["repository"]["bucket"]


def test_the_hosts_that_are_made_are_those_of_the_contract() -> None:
    assert tuple(HOSTS) == apart.DATABASES
