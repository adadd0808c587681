"""What a kind of host may do in the account: a database host uses its cluster's backups, any other one nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws import iam_policies
from infra.aws.iam_policies import Statement
from infra.aws.partitions import Partition

# Source: pgBackRest user guide, "S3-Compatible Object Store Support", sample policy; object versions are for
# --repo-target-time. None of them passes the lock or ends a version for good.
LISTING = ("s3:ListBucket", "s3:ListBucketVersions")
OBJECTS = ("s3:DeleteObject", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:PutObjectTagging")


@dataclass(frozen=True, kw_only=True)
class BucketAccess:
    """One bucket, where it is and what encrypts it."""

    bucket_arn: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]
    region: str


@dataclass(frozen=True, kw_only=True)
class InstanceProfileArgs:
    """Inputs. `prefix`: the part of each bucket that the cluster's backups lie under, without slashes.

    `label` names the environment in what IAM calls role and profile: a deployer's policy ends at these names.
    """

    label: str
    description: str
    buckets: Sequence[BucketAccess]
    prefix: str
    partition: Partition
    tags: Mapping[str, str]


class InstanceProfile(pulumi.ComponentResource):
    """Outputs: `profile_name`. Secrets are not for hosts: the controller reads them and hands each host its own."""

    def __init__(self, name: str, args: InstanceProfileArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:security:InstanceProfile", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=json.dumps(iam_policies.trust(args.partition.principal("ec2"))),
            description=args.description,
            name=f"{args.label}-{name}",
            tags=args.tags,
            opts=child,
        )
        if args.buckets:
            aws.iam.RolePolicy(f"{name}-backups", policy=backup_policy(args), role=role.name, opts=child)
        profile = aws.iam.InstanceProfile(
            f"{name}-profile", name=f"{args.label}-{name}", role=role.name, tags=args.tags, opts=child
        )
        self.profile_name: pulumi.Output[str] = profile.name
        self.register_outputs({"profile_name": self.profile_name})


def backup_policy(args: InstanceProfileArgs) -> pulumi.Output[str]:
    """Return the policy: list and use the prefix of each bucket, and its key through S3 alone."""
    statements = [statement for access in args.buckets for statement in bucket_statements(args, access)]
    return pulumi.Output.json_dumps(iam_policies.policy(statements))


def bucket_statements(args: InstanceProfileArgs, access: BucketAccess) -> list[Statement]:
    """Return what one bucket needs."""
    return [
        {
            "Effect": "Allow",
            "Action": list(LISTING),
            "Resource": access.bucket_arn,
            "Condition": {"StringLike": {"s3:prefix": [args.prefix, f"{args.prefix}/*"]}},
        },
        {
            "Effect": "Allow",
            "Action": list(OBJECTS),
            "Resource": pulumi.Output.concat(access.bucket_arn, f"/{args.prefix}/*"),
        },
        {
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": access.kms_key_arn,
            "Condition": {"StringEquals": {"kms:ViaService": args.partition.host("s3", access.region)}},
        },
    ]
