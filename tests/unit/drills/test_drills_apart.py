"""The cluster apart from the lab is a site like any other: its contract is one that the inventory takes."""

import json
from pathlib import Path

from infra import contract_checks

from tests.drills import apart

ROOT = Path(__file__).resolve().parents[3]


def test_one_host_with_two_buckets_is_made_of_the_labs_contract() -> None:
    lab = json.loads((ROOT / "tests/golden/lab/contract.json").read_text(encoding="utf-8"))
    made = apart.contract(lab, "10.98.0.42")
    assert contract_checks.parse(made).to_json() == made
    main = made["clusters"]["main"]
    assert [(host["name"], host["connect"]["host"]) for host in main["hosts"]] == [("drill-db", "10.98.0.42")]
    assert main["endpoints"]["direct"] == ["10.98.0.42:5000"]
    assert main["hosts"][0]["volumes"][0]["device"] == "/dev/lab/drill-db-data"
    assert main["repository"]["second"]["bucket"] != main["repository"]["bucket"]
