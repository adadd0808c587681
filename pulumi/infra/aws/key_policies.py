"""Who may do what with each key. Pure.

The account's administrators manage a key and can't use it; who uses it does so through one service, as far as an IAM
policy of the account allows it too. Nobody outside of the account is named, and nobody can be locked out: whoever may
change policies in the account may change these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.aws import iam_policies
from infra.aws.iam_policies import Statement
from infra.aws.partitions import Partition

# Source: KMS developer guide, "Default key policy", key administrators; written out, so that no new action slips in.
ADMINISTRATION = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)
# Source: EBS user guide, "Requirements for Amazon EBS encryption", permissions; CreateGrant has a statement of its own.
VOLUMES = ("kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo")
# Source: S3 user guide, "Using server-side encryption with KMS keys"; an upload in parts is decrypted when it ends.
OBJECTS = ("kms:Decrypt", "kms:GenerateDataKey")
# Source: Secrets Manager user guide, "Secret encryption and decryption", permissions for the KMS key.
SECRETS = ("kms:Decrypt", "kms:GenerateDataKey")
# Source: CloudWatch Logs user guide, "Encrypt log data in CloudWatch Logs using KMS", step 2.
LOGS = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
# Source: SNS developer guide, "Enable compatibility between event sources from AWS services and encrypted topics".
ALARMS = ("kms:Decrypt", "kms:GenerateDataKey")


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whose keys these are, and where."""

    id: str
    region: str
    partition: Partition

    def through(self, service: str) -> dict[str, str]:
        """Return the condition: asked by this service of the region, for somebody of this account."""
        return {
            "kms:CallerAccount": self.id,
            "kms:ViaService": self.partition.host(service, self.region),
        }

    def allow(self, sid: str, actions: Sequence[str], **conditions: Mapping[str, str]) -> Statement:
        """Return a statement for those of the account whom IAM allows it too."""
        root = self.partition.arn("iam", "root", account_id=self.id)
        return _allow(sid, {"AWS": root}, actions, conditions)


def data(account: Account) -> list[Statement]:
    """Volumes: by EC2, which gets a grant while an instance uses one."""
    through_ec2 = account.through("ec2")
    return [
        account.allow("VolumesThroughEc2", VOLUMES, StringEquals=through_ec2),
        account.allow(
            "GrantsToEc2", ("kms:CreateGrant",), Bool={"kms:GrantIsForAWSResource": "true"}, StringEquals=through_ec2
        ),
    ]


def backup(account: Account) -> list[Statement]:
    """Objects of the backup bucket, by S3."""
    return [account.allow("ObjectsThroughS3", OBJECTS, StringEquals=account.through("s3"))]


def secrets(account: Account) -> list[Statement]:
    """Values of secrets, by Secrets Manager."""
    return [account.allow("SecretsThroughTheirManager", SECRETS, StringEquals=account.through("secretsmanager"))]


def monitoring(account: Account) -> list[Statement]:
    """Log groups and the topic of alarms: here services act on their own, for this account."""
    partition = account.partition
    groups = partition.arn("logs", "log-group:*", region=account.region, account_id=account.id)
    return [
        _allow(
            "LogGroupsOfTheAccount",
            {"Service": partition.host("logs", account.region)},
            LOGS,
            {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        ),
        _allow(
            "AlarmsOfTheAccount",
            {"Service": partition.principal("cloudwatch")},
            ALARMS,
            {"StringEquals": {"aws:SourceAccount": account.id}},
        ),
    ]


def policy(account: Account, uses: Sequence[Statement]) -> dict[str, Any]:
    """Return a key's policy: administration, then its uses."""
    administration = account.allow("AdministrationByIam", ADMINISTRATION)
    return iam_policies.policy([administration, *uses])


def _allow(
    sid: str, principal: Mapping[str, str], actions: Sequence[str], conditions: Mapping[str, Mapping[str, str]]
) -> Statement:
    statement = {"Sid": sid, "Effect": "Allow", "Principal": principal, "Action": list(actions), "Resource": "*"}
    return {**statement, "Condition": conditions} if conditions else statement  # `*` here: this key
