"""The inventory by tags gives the hosts and groups that the contract gives."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.aws.replay import ROOT, Account

BY_TAGS = ROOT / "inventories/production_by_tags/aws_ec2.yml"
Run = Callable[..., subprocess.CompletedProcess[str]]


def listed(run: Run, source: Path, **environment: str) -> dict[str, Any]:
    done = run("ansible-inventory", "-i", source, "--list", **environment)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def groups(listing: dict[str, Any]) -> dict[str, set[str]]:
    """Return the members of each group that has some, but the plugin's own group of all that it found."""
    found = {name: set(group.get("hosts", [])) for name, group in listing.items() if name not in ("_meta", "aws_ec2")}
    return {name: hosts for name, hosts in found.items() if hosts}


@pytest.fixture(scope="module")
def by_contract(run: Run, inventory: Path) -> dict[str, Any]:
    return listed(run, inventory)


@pytest.fixture
def by_tags(run: Run, contract: dict[str, Any]) -> dict[str, Any]:
    assert contract["environment"] == "production"
    return listed(run, BY_TAGS, ANSIBLE_INVENTORY_ENABLED="amazon.aws.aws_ec2")


def test_both_inventories_give_the_same_groups(by_contract: dict[str, Any], by_tags: dict[str, Any]) -> None:
    assert groups(by_tags) == groups(by_contract)
    assert groups(by_tags)["database"] == {"db1", "db2", "db3"}
    assert groups(by_tags)["retiring"] == {"db4"}
    assert groups(by_tags)["cache"] == {"service1"}


def test_both_inventories_give_the_same_addresses(by_contract: dict[str, Any], by_tags: dict[str, Any]) -> None:
    addresses = [
        {name: variables["ansible_host"] for name, variables in listing["_meta"]["hostvars"].items()}
        for listing in (by_contract, by_tags)
    ]
    assert len(addresses[0]) == 5
    assert addresses[0] == addresses[1]


def test_hosts_of_others_and_hosts_that_are_gone_are_not_listed(
    account: Account, run: Run, by_contract: dict[str, Any]
) -> None:
    tags = {"Project": "freelance-platform", "Environment": "production", "State": "active"}
    foreign = [{**tags, "Environment": "staging"}, {**tags, "Project": "other"}, tags]
    ids = []
    for number, own in enumerate(foreign):
        words = [{"Key": key, "Value": value} for key, value in {**own, "Name": f"foreign{number}"}.items()]
        answer = account.ec2.run_instances(
            ImageId="ami-0123456789abcdef0",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": words}],
        )
        ids.append(answer["Instances"][0]["InstanceId"])
    account.ec2.terminate_instances(InstanceIds=ids[-1:])
    listing = listed(run, BY_TAGS, ANSIBLE_INVENTORY_ENABLED="amazon.aws.aws_ec2")
    assert set(listing["_meta"]["hostvars"]) == set(by_contract["_meta"]["hostvars"])


def test_the_devices_of_a_host_are_the_volumes_that_are_attached_to_it(
    account: Account, contract: dict[str, Any]
) -> None:
    answer = account.ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["db*"]}])
    attached: dict[str, set[tuple[str, int]]] = {}
    for reservation in answer["Reservations"]:
        for instance in reservation["Instances"]:
            name = next(tag["Value"] for tag in instance["Tags"] if tag["Key"] == "Name")
            volumes = account.ec2.describe_volumes(
                Filters=[
                    {"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]},
                    {"Name": "tag:Environment", "Values": ["production"]},
                ]
            )["Volumes"]
            # What udev makes of the serial number that a Nitro instance shows, which is the id without its dash.
            attached[name] = {
                (
                    f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume['VolumeId'].replace('-', '')}",
                    volume["Size"],
                )
                for volume in volumes
            }
    declared = {
        host["name"]: {(volume["device"], volume["size_gib"]) for volume in host["volumes"]}
        for host in contract["clusters"]["main"]["hosts"]
    }
    assert attached == declared
