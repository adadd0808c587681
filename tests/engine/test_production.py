"""The life of a production stack on the real engine: each test goes on from the one before it.

AWS is played by the recording provider; its journal says what would have been changed.
"""

import json
import re
from pathlib import Path

import pytest
from engine_workspace import ROOT, Engine
from infra.contract import Contract

GOLDEN = json.loads((ROOT / "tests/golden/production/contract.json").read_text(encoding="utf-8"))
KEPT_FOR_EVER = ("aws:ebs/volume:Volume", "aws:s3/bucket:Bucket", "aws:kms/key:Key")


def changes(engine: Engine, since: int) -> list[tuple[str, str]]:
    return [(line["operation"], line["name"]) for line in engine.journal()[since:]]


def test_a_preview_changes_nothing(engine: Engine) -> None:
    shown = engine.run("preview", settings={}).stdout
    assert "158 to create" in shown
    assert engine.journal() == []


def test_up_exports_the_golden_contract(engine: Engine) -> None:
    engine.up()
    contract = engine.contract()
    assert contract == GOLDEN
    assert Contract.from_json(contract).to_json() == GOLDEN


def test_a_second_preview_expects_no_changes(engine: Engine) -> None:
    engine.run("preview", "--expect-no-changes", settings={})


def test_what_holds_data_is_protected_and_retained(engine: Engine) -> None:
    holding = [resource for resource in engine.state() if resource["type"] in KEPT_FOR_EVER]
    assert len(holding) == 3 * 3 + 2  # three volumes on each of three hosts, the bucket and the key
    assert all(resource.get("protect") and resource.get("retainOnDelete") for resource in holding)


def test_the_state_holds_references_and_no_secret(engine: Engine) -> None:
    text = json.dumps(engine.state())
    found = re.findall(r'"(?:\w*_)?(?:password|passphrase|key)": "([^"]+)"', text)
    assert len(found) > 10
    assert all(value.startswith(("aws-secretsmanager:arn:", "arn:")) for value in found), found
    assert (engine.home / "passphrase").read_text() not in text


def test_a_secret_setting_is_refused_and_never_reaches_the_state(engine: Engine) -> None:
    engine.run("config", "set", "--secret", "ssh_proxy_command", "ssh -W %h:%p hunter2@bastion")
    refused = engine.run("up", "--yes", "--skip-preview", check=False)
    assert refused.returncode != 0
    assert "ssh_proxy_command: kept as a secret" in refused.stdout + refused.stderr
    files = [path for path in Path(engine.home, "state").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"hunter2" in path.read_bytes()]


def test_a_second_up_is_empty_and_exports_the_same(engine: Engine) -> None:
    before = len(engine.journal())
    engine.run("up", "--yes", "--skip-preview", "--expect-no-changes", settings={})
    assert changes(engine, before) == []
    assert engine.contract() == GOLDEN


def test_another_way_out_touches_no_host_and_no_subnet_of_one(engine: Engine) -> None:
    before = len(engine.journal())
    engine.up(egress="none", apt_mirror="http://mirror.example.internal/debian")
    engine.up()
    touched = changes(engine, before)
    assert {("delete", "network-internet-nat-eu-central-1a"), ("create", "network-endpoints-kms")} <= set(touched)
    assert all(name.startswith(("access-", "network-endpoints", "network-internet")) for _, name in touched), touched


def test_a_fourth_host_is_added_and_no_other_one_touched(engine: Engine) -> None:
    before = len(engine.journal())
    engine.up(database_hosts=4)
    added = changes(engine, before)
    assert {(operation, name.split("-")[0]) for operation, name in added} == {("create", "db4")}
    assert [name for _, name in sorted(added) if name in ("db4-data", "db4-instance", "db4-wal")] == [
        "db4-data",
        "db4-data",  # volume and attachment
        "db4-instance",
        "db4-wal",
        "db4-wal",
    ]
    hosts = engine.contract()["clusters"]["main"]["hosts"]
    assert hosts[:3] == GOLDEN["clusters"]["main"]["hosts"]
    assert (hosts[3]["name"], hosts[3]["zone"], hosts[3]["etcd_member"]) == ("db4", "eu-central-1a", False)


@pytest.mark.parametrize("command", [("preview",), ("up", "--yes"), ("up", "--yes", "--skip-preview")], ids=" ".join)
def test_a_host_that_was_not_marked_is_not_removed(engine: Engine, command: tuple[str, ...]) -> None:
    before, contract = len(engine.journal()), engine.contract()
    refused = engine.run(*command, settings={"database_hosts": 3}, check=False)
    shown = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "3 would remove db4" in shown
    assert "pulumi config set --path 'retiring_hosts[0]' db4" in shown
    assert changes(engine, before) == []
    assert engine.contract() == contract


def test_a_retiring_host_stays_in_the_contract_and_leaves_the_endpoints(engine: Engine) -> None:
    before = len(engine.journal())
    engine.up(database_hosts=4, retiring_hosts=["db4"])
    assert changes(engine, before) == [("update", "db4-instance")]  # it may be stopped and terminated now
    cluster = engine.contract()["clusters"]["main"]
    assert [host["state"] for host in cluster["hosts"]] == ["active", "active", "active", "retiring"]
    assert cluster["endpoints"] == GOLDEN["clusters"]["main"]["endpoints"]


def test_a_retired_host_is_removed_and_its_volumes_are_kept_in_the_account(engine: Engine) -> None:
    before = len(engine.journal())
    engine.run("up", "--yes", settings={})
    gone = [(line["operation"], line["type"]) for line in engine.journal()[before:]]
    assert gone.count(("delete", "aws:ec2/instance:Instance")) == 1
    assert ("delete", "aws:ebs/volume:Volume") not in gone
    assert engine.contract() == GOLDEN


def test_destroy_is_stopped_before_anything_that_holds_data(engine: Engine) -> None:
    before = len(engine.journal())
    stopped = engine.run("destroy", "--yes", settings={}, check=False)
    assert stopped.returncode != 0
    assert "protected" in stopped.stdout + stopped.stderr
    assert changes(engine, before) == []


def test_a_destroy_without_preview_keeps_database_hosts_and_what_holds_data(engine: Engine) -> None:
    before = len(engine.journal())
    stopped = engine.run("destroy", "--yes", "--skip-preview", check=False)
    assert stopped.returncode != 0
    assert "protected" in stopped.stdout + stopped.stderr
    gone = [(line["operation"], line["type"]) for line in engine.journal()[before:]]
    assert gone.count(("delete", "aws:ec2/instance:Instance")) == 1  # the service host
    assert ("delete", "aws:ec2/volumeAttachment:VolumeAttachment") not in gone
    assert not [kind for _, kind in gone if kind in KEPT_FOR_EVER]
    engine.up()
    assert engine.contract() == GOLDEN
