"""Production in use gets a host more, one less and another way out: each test goes on from the one before it."""

import pytest
from engine_workspace import Engine
from golden_files import contract_of

GOLDEN = contract_of("production")
INSTANCE = "aws:ec2/instance:Instance"
NEWER_IMAGE = "ami-0aaaaaaaaaaaaaaaa"


def test_a_fourth_host_has_the_newest_image_and_no_other_host_is_touched(production: Engine) -> None:
    before = len(production.journal())
    production.up(database_hosts=4, image_id=NEWER_IMAGE)
    changes = production.changes(before)
    assert {operation for operation, _ in changes} == {"create"}
    assert {what for _, what in changes if "db4" not in what} == set()
    volumes = {f"{kind} db4-{purpose}" for kind in ("Volume", "VolumeAttachment") for purpose in ("data", "wal")}
    assert {what for _, what in changes} > volumes | {"Instance db4-instance"}
    images = {
        one["outputs"]["privateIp"]: one["outputs"]["ami"] for one in production.state() if one["type"] == INSTANCE
    }
    hosts = production.contract()["clusters"]["main"]["hosts"]
    assert [address for address, image in images.items() if image == NEWER_IMAGE] == [hosts[3]["address"]]
    assert hosts[:3] == GOLDEN["clusters"]["main"]["hosts"]
    assert (hosts[3]["name"], hosts[3]["zone"], hosts[3]["etcd_member"]) == ("db4", "eu-central-1a", False)


@pytest.mark.parametrize("command", [("preview",), ("up", "--yes", "--skip-preview")], ids=" ".join)
def test_a_host_that_was_not_marked_is_not_removed(production: Engine, command: tuple[str, ...]) -> None:
    before, contract = len(production.journal()), production.contract()
    refused = production.run(*command, settings={"database_hosts": 3}, check=False)
    shown = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "3 would remove db4" in shown
    assert "pulumi config set --path 'retiring_hosts[0]' db4" in shown
    assert production.changes(before) == []
    assert production.contract() == contract


def test_a_retiring_host_stays_in_the_contract_and_leaves_the_endpoints(production: Engine) -> None:
    before = len(production.journal())
    production.up(database_hosts=4, retiring_hosts=["db4"])
    changes = production.changes(before)
    assert {what for operation, what in changes if "db4" not in what or operation == "create"} == set()
    assert not [what for operation, what in changes if operation == "delete" and what.startswith(("Inst", "Vol"))]
    cluster = production.contract()["clusters"]["main"]
    assert [host["state"] for host in cluster["hosts"]] == ["active", "active", "active", "retiring"]
    assert cluster["endpoints"] == GOLDEN["clusters"]["main"]["endpoints"]


def test_a_retired_host_is_removed_and_its_volumes_are_kept_in_the_account(production: Engine) -> None:
    before = len(production.journal())
    production.up()
    gone = [(line["operation"], line["type"]) for line in production.journal(before)]
    assert gone.count(("delete", INSTANCE)) == 1
    assert ("delete", "aws:ebs/volume:Volume") not in gone
    assert production.contract() == GOLDEN


def test_another_way_out_touches_no_host_and_no_subnet_of_one(production: Engine) -> None:
    before = len(production.journal())
    production.up(egress="none", apt_mirror="http://mirror.example.internal/debian")
    touched = production.changes(before)
    assert {
        ("delete", "NatGateway network-internet-nat-eu-central-1a"),
        ("create", "VpcEndpoint network-endpoints-kms"),
    } <= set(touched)
    assert all(
        name.split()[1].startswith(("access-", "network-endpoints", "network-internet")) for _, name in touched
    ), touched
