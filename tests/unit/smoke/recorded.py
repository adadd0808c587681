"""Answers of `pulumi`, `aws` and `ansible` as they were written down, by the beginning of the command."""

import json
from collections.abc import Sequence
from typing import Any

from smoke.commands import Done

CONTRACT = {
    "clusters": {
        "main": {
            "hosts": [{"name": "db1", "address": "10.20.0.11"}],
            "repository": {"bucket": "b-1", "region": "eu-central-1", "kms_key_arn": "arn:aws:kms:x"},
        }
    }
}
INSTANCE = {"InstanceId": "i-1", "PrivateIpAddress": "10.20.0.11"}
RIGHTS = {"write": 200, "read": 200, "write_elsewhere": 403, "read_elsewhere": 403, "list_elsewhere": 403}
TAGGED = [
    "arn:aws:s3:::b-1",
    "arn:aws:elasticloadbalancing:x:1:loadbalancer/net/n/1",
    "arn:aws:kms:x:1:key/k",
    "arn:aws:secretsmanager:x:1:secret:s",
]
STATE = {
    "deployment": {"resources": [{"urn": "v", "protect": True, "retainOnDelete": True, "id": "vol-1"}, {"urn": "x"}]}
}


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
        "aws ec2 describe-instances": {"Reservations": [{"Instances": [INSTANCE]}]},
        "aws ec2 get-console-output": "ci-info: ssh-ed25519 AAAAC3Nza root@db1\n",
        "ansible all": "db1 | SUCCESS",
        "ansible db1": 'db1 | CHANGED => {"stdout": "smoke-result=' + json.dumps(RIGHTS).replace('"', '\\"') + '"}',
        "aws s3api list-object-versions": {
            "Versions": [{"Key": "main/smoke", "VersionId": "v1"}],
            "DeleteMarkers": None,
        },
        "aws s3api delete-object": refusal("AccessDenied"),
        "aws elbv2 describe-target-groups": {
            "TargetGroups": [{"TargetGroupArn": "arn:t", "TargetGroupName": "pooled"}]
        },
        "aws elbv2 describe-target-health": {
            "TargetHealthDescriptions": [{"Target": {"Id": "10.20.0.11"}, "TargetHealth": {"State": "unhealthy"}}]
        },
        "pulumi cancel": "",
        "pulumi stack export": STATE,
        "pulumi stack import": "",
        "aws ec2 modify-instance-attribute": "",
        "aws resourcegroupstaggingapi get-resources": {
            "ResourceTagMappingList": [{"ResourceARN": arn} for arn in TAGGED]
        },
        "aws elbv2 modify-load-balancer-attributes": "",
        "pulumi destroy": "",
        "aws secretsmanager delete-secret": "",
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
        return Done(status=0, stdout=found if isinstance(found, str) else json.dumps(found))

    def order(self, *beginnings: str) -> list[int]:
        """Return where each command was asked first."""
        return [next(at for at, line in enumerate(self.asked) if line.startswith(each)) for each in beginnings]
