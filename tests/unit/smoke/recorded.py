"""Answers of `pulumi`, `aws` and `ansible` as they were written down, by the beginning of the command.

The account has things of others, too: another project's environment of the same name, and another environment of ours.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from smoke.commands import Done

Tags = Mapping[str, str]
OURS: Tags = {"Project": "freelance-platform", "Environment": "smoke"}
FOREIGN: tuple[Tags, ...] = (
    {"Project": "other", "Environment": "smoke"},
    {"Project": "freelance-platform", "Environment": "production"},
)
CONTRACT = {
    "clusters": {
        "main": {
            "hosts": [{"name": "db1", "address": "10.20.0.11"}],
            "repository": {"bucket": "b-1", "region": "eu-central-1", "kms_key_arn": "arn:aws:kms:x"},
        }
    }
}
KEY = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5{'A' * 48}"
RIGHTS = {"write": 200, "read": 200, "write_elsewhere": 403, "read_elsewhere": 403, "list_elsewhere": 403}
BALANCER = "arn:aws:elasticloadbalancing:x:1:loadbalancer/net/n/1"
SECRET = "arn:aws:secretsmanager:x:1:secret:s"
TAGGED = ["arn:aws:s3:::b-1", BALANCER, "arn:aws:kms:x:1:key/k", SECRET]
STATE: dict[str, Any] = {
    "deployment": {
        "resources": [
            {
                "urn": "v",
                "type": "aws:ebs/volume:Volume",
                "id": "vol-1",
                "protect": True,
                "retainOnDelete": True,
                "inputs": {"finalSnapshot": True, "size": 10},
                "outputs": {"finalSnapshot": True, "size": 10},
            },
            {
                "urn": "i",
                "type": "aws:ec2/instance:Instance",
                "id": "i-1",
                "outputs": {"disableApiStop": True, "disableApiTermination": True},
            },
            {
                "urn": "s",
                "type": "aws:secretsmanager/secret:Secret",
                "id": SECRET,
                "outputs": {"recoveryWindowInDays": 30},
            },
            {"urn": "b", "type": "aws:s3/bucket:Bucket", "id": "b-1", "outputs": {"objectLockEnabled": True}},
            {"urn": "l", "type": "aws:s3/bucket:Bucket", "id": "b-logs", "outputs": {"objectLockEnabled": False}},
            {"urn": "n", "type": "aws:lb/loadBalancer:LoadBalancer", "id": BALANCER},
            {"urn": "t", "type": "aws:lb/targetGroup:TargetGroup", "id": "arn:t", "outputs": {"name": "pooled"}},
            {"urn": "x", "type": "freelance:network:Network"},
        ]
    }
}


def with_tags(found: Mapping[str, Any], tags: Tags = OURS) -> dict[str, Any]:
    """Return what AWS tells of a resource, with its tags as AWS writes them."""
    return {**found, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def instances(*own: str) -> dict[str, Any]:
    """Return the account's instances, those of others too."""
    told = [with_tags({"InstanceId": name, "PrivateIpAddress": "10.20.0.11"}) for name in own]
    told += [with_tags({"InstanceId": f"i-foreign-{at}"}, tags) for at, tags in enumerate(FOREIGN)]
    return {"Reservations": [{"Instances": [each]} for each in told]}


def gateways(*own: str) -> dict[str, Any]:
    """Return the account's NAT gateways, those of others too."""
    told = [with_tags({"NatGatewayId": name}) for name in own]
    return {"NatGateways": told + [with_tags({"NatGatewayId": "nat-foreign"}, tags) for tags in FOREIGN]}


def tagged(*own: str) -> dict[str, Any]:
    """Return what in the account has tags, that of others too."""
    told = [with_tags({"ResourceARN": arn}) for arn in own]
    told += [with_tags({"ResourceARN": f"{arn}-foreign"}, tags) for arn in TAGGED for tags in FOREIGN]
    return {"ResourceTagMappingList": told}


def filtered(found: Any, wanted: Tags) -> Any:
    """Return an answer without what has other tags than those asked for, as AWS does it."""
    if isinstance(found, list):
        return [filtered(each, wanted) for each in found if fits(each, wanted)]
    return {key: filtered(value, wanted) for key, value in found.items()} if isinstance(found, dict) else found


def fits(found: Any, wanted: Tags) -> bool:
    if not isinstance(found, dict) or "Tags" not in found:
        return True
    return wanted.items() <= {tag["Key"]: tag["Value"] for tag in found["Tags"]}.items()


def refusal(code: str) -> Done:
    return Done(status=254, stdout="", stderr=f"An error occurred ({code}) when calling the operation: no")


def good() -> dict[str, Any]:
    """Return answers of a run in which everything holds; a text, JSON or a Done."""
    return {
        "pulumi version": "v3.259.0\n",
        "aws --version": "aws-cli/2.31.0 Python/3.13 Linux/6.1 exe/x86_64\n",
        "ansible --version": "ansible [core 2.19.14]\n",
        "aws sts get-caller-identity": {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/eve"},
        "pulumi stack ls": [{"name": "production"}],
        "pulumi stack init smoke": "",
        "pulumi preview": "",
        "pulumi up": "",
        "pulumi stack output contract": CONTRACT,
        "aws ec2 describe-instances": instances("i-1"),
        "aws ec2 describe-nat-gateways": gateways(),
        "aws ec2 get-console-output": f"ci-info: {KEY} root@db1\n",
        "ansible all": "db1 | SUCCESS",
        "ansible db1": 'db1 | CHANGED => {"stdout": "smoke-result=' + json.dumps(RIGHTS).replace('"', '\\"') + '"}',
        "aws s3api list-object-versions": {
            "Versions": [{"Key": "main/smoke", "VersionId": "v1"}],
            "DeleteMarkers": None,
        },
        "aws s3api delete-object": refusal("AccessDenied"),
        "aws elbv2 describe-target-health": {
            "TargetHealthDescriptions": [{"Target": {"Id": "i-1"}, "TargetHealth": {"State": "unhealthy"}}]
        },
        "pulumi cancel": "",
        "pulumi stack export": STATE,
        "pulumi stack import": "",
        "aws ec2 modify-instance-attribute": "",
        "aws resourcegroupstaggingapi get-resources": tagged(*TAGGED),
        "aws elbv2 modify-load-balancer-attributes": "",
        "pulumi destroy": "",
        "pulumi stack rm": "",
    }


class Recorded:
    """A `Run` that answers from `answers` and keeps what was asked; a command that nobody wrote down fails the test."""

    def __init__(self, **answers: Any) -> None:
        self.answers = good() | {key.replace("_", " "): value for key, value in answers.items()}
        self.asked: list[str] = []
        self.shown: list[str] = []
        self.given: list[str] = []

    def __call__(self, argv: Sequence[str], *, shown: bool = False, given: str | None = None) -> Done:
        line = " ".join(argv)
        self.asked.append(line)
        self.shown += [line] if shown else []
        if given is not None:
            self.given.append(given)
        # The longest beginning that fits.
        key = max((key for key in self.answers if line.startswith(key)), key=len)
        found = self.answers[key]
        if isinstance(found, Done):
            return found
        found = filtered(found, dict(re.findall(r"(?:Name=tag:|Key=)(\w+),Values=(\S+)", line)))
        return Done(status=0, stdout=found if isinstance(found, str) else json.dumps(found))

    def order(self, *beginnings: str) -> list[int]:
        """Return where each command was asked first."""
        return [next(at for at, line in enumerate(self.asked) if line.startswith(each)) for each in beginnings]
