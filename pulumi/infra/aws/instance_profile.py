"""What a database host may do in the account: write and read its cluster's backups, nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class InstanceProfileArgs:
    """Inputs. `prefix`: the part of the bucket that the cluster's backups lie under, without slashes."""

    bucket_arn: pulumi.Input[str]
    prefix: str
    kms_key_arn: pulumi.Input[str]
    region: str
    tags: Mapping[str, str]


class InstanceProfile(pulumi.ComponentResource):
    """Outputs: `profile_name`."""

    def __init__(self, name: str, args: InstanceProfileArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:security:InstanceProfile", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        suffix = ".cn" if args.region.startswith("cn-") else ""
        # EC2's service principal is ec2.amazonaws.com in both partitions for roles made today.
        role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=pulumi.Output.json_dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "ec2.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                }
            ),
            description="Database hosts: their cluster's backups",
            tags=args.tags,
            opts=child,
        )
        aws.iam.RolePolicy(f"{name}-backups", policy=backup_policy(args, suffix), role=role.name, opts=child)
        profile = aws.iam.InstanceProfile(f"{name}-profile", role=role.name, tags=args.tags, opts=child)
        self.profile_name: pulumi.Output[str] = profile.name
        self.register_outputs({"profile_name": self.profile_name})


def backup_policy(args: InstanceProfileArgs, suffix: str) -> pulumi.Output[str]:
    """Return the policy: list and use the prefix, and the key through S3 alone."""
    return pulumi.Output.json_dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "ListOwnBackups",
                    "Effect": "Allow",
                    "Action": ["s3:ListBucket", "s3:ListBucketVersions"],
                    "Resource": args.bucket_arn,
                    "Condition": {"StringLike": {"s3:prefix": [args.prefix, f"{args.prefix}/*"]}},
                },
                {
                    "Sid": "UseOwnBackups",
                    "Effect": "Allow",
                    "Action": [
                        "s3:DeleteObject",
                        "s3:GetObject",
                        "s3:GetObjectVersion",
                        "s3:PutObject",
                        "s3:PutObjectTagging",
                    ],
                    "Resource": pulumi.Output.concat(args.bucket_arn, f"/{args.prefix}/*"),
                },
                {
                    "Sid": "EncryptThroughS3",
                    "Effect": "Allow",
                    "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                    "Resource": args.kms_key_arn,
                    "Condition": {"StringEquals": {"kms:ViaService": f"s3.{args.region}.amazonaws.com{suffix}"}},
                },
            ],
        }
    )
