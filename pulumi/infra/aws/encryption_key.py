"""The key that encrypts volumes and backups. Without it neither can be read again, so it is protected and retained."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

DELETION_WINDOW_DAYS = 30  # the longest that KMS offers: time to notice a mistake


@dataclass(frozen=True, kw_only=True)
class EncryptionKeyArgs:
    """Inputs. `account_id` and `partition` (aws, aws-cn) say whose IAM decides about the key."""

    account_id: pulumi.Input[str]
    partition: pulumi.Input[str]
    tags: Mapping[str, str]


class EncryptionKey(pulumi.ComponentResource):
    """Outputs: `arn`."""

    def __init__(self, name: str, args: EncryptionKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:security:EncryptionKey", name, None, opts)
        policy = pulumi.Output.json_dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "AccountDecidesByIam",
                        "Effect": "Allow",
                        "Principal": {
                            "AWS": pulumi.Output.format("arn:{0}:iam::{1}:root", args.partition, args.account_id)
                        },
                        "Action": "kms:*",
                        "Resource": "*",  # in a key's policy: this key
                    }
                ],
            }
        )
        key = aws.kms.Key(
            f"{name}-key",
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            description="Volumes and backups of the database platform",
            enable_key_rotation=True,
            policy=policy,
            tags={**args.tags, "Name": name},
            opts=pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True),
        )
        self.arn: pulumi.Output[str] = key.arn
        self.register_outputs({"arn": self.arn})
