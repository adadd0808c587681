"""Makes in an account what the Pulumi program declared there, as far as playbooks and inventories ask for it.

The program runs without an engine and gets invented ids; this gives the same resources to a server of the AWS API and
puts the ids that it answers into the contract.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
for folder in ("tests/unit/pulumi", "tests/engine"):
    sys.path.append(str(ROOT / folder))

import boto3  # type: ignore[import-untyped]  # noqa: E402  it has no types
from aws_inventions import new_id  # noqa: E402 - found by the lines above
from pulumi_recorder import Recording, Resource, record  # noqa: E402 - the same

__all__ = ["ROOT", "Account", "record"]
Inputs = Mapping[str, Any]


class Account:
    """An account in one region, served at `url`; `ids` maps each invented id to the real one."""

    def __init__(self, region: str, url: str) -> None:
        self.url = url
        self.ec2 = boto3.client("ec2", region_name=region)
        self.secrets = boto3.client("secretsmanager", region_name=region)
        self.ids: dict[str, str] = {}

    def make(self, recording: Recording) -> dict[str, Any]:
        """Make the resources, and return the program's contract with their ids."""
        makers: dict[str, Callable[[Inputs], str]] = {
            "aws:ec2/vpc:Vpc": self._vpc,
            "aws:ec2/subnet:Subnet": self._subnet,
            "aws:ec2/instance:Instance": self._instance,
            "aws:ebs/volume:Volume": self._volume,
            "aws:ec2/volumeAttachment:VolumeAttachment": self._attachment,
        }
        # In the order of this table, as each needs those before it.
        for kind, maker in makers.items():
            for resource in recording.of_type(kind):
                self.ids[invented(resource)] = maker(resource.inputs)
        text = json.dumps(recording.contract)
        for before, after in self.ids.items():
            text = text.replace(before.replace("-", ""), after.replace("-", ""))  # in a device's path without the dash
        return dict(json.loads(text))

    def _vpc(self, inputs: Inputs) -> str:
        return str(self.ec2.create_vpc(CidrBlock=inputs["cidrBlock"])["Vpc"]["VpcId"])

    def _subnet(self, inputs: Inputs) -> str:
        answer = self.ec2.create_subnet(
            VpcId=self.ids[inputs["vpcId"]],
            CidrBlock=inputs["cidrBlock"],
            AvailabilityZone=inputs["availabilityZone"],
        )
        return str(answer["Subnet"]["SubnetId"])

    def _instance(self, inputs: Inputs) -> str:
        answer = self.ec2.run_instances(
            ImageId=inputs["ami"],
            InstanceType=inputs["instanceType"],
            MinCount=1,
            MaxCount=1,
            PrivateIpAddress=inputs["privateIp"],
            SubnetId=self.ids[inputs["subnetId"]],
            TagSpecifications=tagged("instance", inputs),
        )
        return str(answer["Instances"][0]["InstanceId"])

    def _volume(self, inputs: Inputs) -> str:
        answer = self.ec2.create_volume(
            AvailabilityZone=inputs["availabilityZone"],
            Encrypted=inputs["encrypted"],
            Size=int(inputs["size"]),
            VolumeType=inputs["type"],
            TagSpecifications=tagged("volume", inputs),
        )
        return str(answer["VolumeId"])

    def _attachment(self, inputs: Inputs) -> str:
        answer = self.ec2.attach_volume(
            Device=inputs["deviceName"],
            InstanceId=self.ids[inputs["instanceId"]],
            VolumeId=self.ids[inputs["volumeId"]],
        )
        return str(answer["VolumeId"])


def invented(resource: Resource) -> str:
    """Return the id that the program was given for a resource."""
    return new_id(resource.type, resource.urn, None)


def tagged(kind: str, inputs: Inputs) -> list[dict[str, Any]]:
    """Return a resource's tags as EC2 takes them."""
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in inputs["tags"].items()]}]
