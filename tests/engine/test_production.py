"""The life of a production stack on the real engine: each test goes on from the one before it.

AWS is played by the recording provider; its journal says what would have been changed.
"""

import json
import re
from pathlib import Path

import pytest
from engine_workspace import Engine
from golden_checks import KEPT_FOR_EVER, assert_first_preview, assert_golden, assert_order, assert_settled
from golden_files import contract_of
from infra.secret_names import SECRETS

GOLDEN = contract_of("production")


def test_a_first_preview_is_judged_and_changes_nothing(engine: Engine) -> None:
    assert_first_preview(engine)


def test_up_makes_what_was_reviewed_in_an_order_that_works(engine: Engine) -> None:
    engine.up()
    assert_golden(engine)
    assert_order(engine)


def test_a_finished_stack_is_settled(engine: Engine) -> None:
    assert_settled(engine)


def test_what_holds_data_is_protected_and_retained(engine: Engine) -> None:
    holding = [resource for resource in engine.state() if resource["type"] in KEPT_FOR_EVER]
    secrets = len(SECRETS) + 2  # certificate and key of the authority are two more
    assert len(holding) == 3 * 3 + 4 + 2 + secrets  # three volumes on each of three hosts, keys, backups and their log
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


def test_a_fourth_host_is_added_and_no_other_one_touched(engine: Engine) -> None:
    before = len(engine.journal())
    engine.up(database_hosts=4)
    changes = engine.changes(before)
    assert {operation for operation, _ in changes} == {"create"}
    assert {what for _, what in changes if "db4" not in what} == set()
    volumes = {f"{kind} db4-{purpose}" for kind in ("Volume", "VolumeAttachment") for purpose in ("data", "wal")}
    assert {what for _, what in changes} > volumes | {"Instance db4-instance"}
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
    assert engine.changes(before) == []
    assert engine.contract() == contract


def test_a_retiring_host_stays_in_the_contract_and_leaves_the_endpoints(engine: Engine) -> None:
    before = len(engine.journal())
    engine.up(database_hosts=4, retiring_hosts=["db4"])
    changes = engine.changes(before)
    assert {what for operation, what in changes if "db4" not in what or operation == "create"} == set()
    assert not [what for operation, what in changes if operation == "delete" and what.startswith(("Inst", "Vol"))]
    cluster = engine.contract()["clusters"]["main"]
    assert [host["state"] for host in cluster["hosts"]] == ["active", "active", "active", "retiring"]
    assert cluster["endpoints"] == GOLDEN["clusters"]["main"]["endpoints"]


def test_a_retired_host_is_removed_and_its_volumes_are_kept_in_the_account(engine: Engine) -> None:
    before = len(engine.journal())
    engine.run("up", "--yes", settings={})
    gone = [(line["operation"], line["type"]) for line in engine.journal(before)]
    assert gone.count(("delete", "aws:ec2/instance:Instance")) == 1
    assert ("delete", "aws:ebs/volume:Volume") not in gone
    assert engine.contract() == GOLDEN


def test_another_way_out_touches_no_host_and_no_subnet_of_one(engine: Engine) -> None:
    before = len(engine.journal())
    engine.up(egress="none", apt_mirror="http://mirror.example.internal/debian")
    engine.up()
    touched = engine.changes(before)
    assert {
        ("delete", "NatGateway network-internet-nat-eu-central-1a"),
        ("create", "VpcEndpoint network-endpoints-kms"),
    } <= set(touched)
    assert all(
        name.split()[1].startswith(("access-", "network-endpoints", "network-internet")) for _, name in touched
    ), touched


def test_destroy_is_stopped_before_anything_that_holds_data(engine: Engine) -> None:
    before = len(engine.journal())
    stopped = engine.run("destroy", "--yes", settings={}, check=False)
    assert stopped.returncode != 0
    assert "protected" in stopped.stdout + stopped.stderr
    assert engine.changes(before) == []


def test_a_destroy_without_preview_keeps_what_holds_data_and_an_up_brings_the_rest_back(engine: Engine) -> None:
    before = len(engine.journal())
    stopped = engine.run("destroy", "--yes", "--skip-preview", check=False)
    assert stopped.returncode != 0
    assert "protected" in stopped.stdout + stopped.stderr
    assert not [line for line in engine.journal(before) if line["type"] in KEPT_FOR_EVER]
    engine.up()
    assert_golden(engine)
