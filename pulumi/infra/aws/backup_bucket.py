"""The bucket for backups: private, versioned, locked, encrypted with the platform's key, reachable over TLS alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws import bucket_policies
from infra.aws.access_logs_bucket import PREFIX, AccessLogsBucket, AccessLogsBucketArgs
from infra.aws.private_bucket import Lifecycle, PrivateBucket, PrivateBucketArgs, private_bucket


@dataclass(frozen=True, kw_only=True)
class BackupBucketArgs:
    """Inputs. `bucket` and `logs_bucket` are names in the whole partition; `region`: another one than the stack's.

    `lock_days`: for how long after it was written nobody deletes an object for good without
    s3:BypassGovernanceRetention, which neither hosts nor the deployer have.
    """

    bucket: pulumi.Input[str]
    logs_bucket: pulumi.Input[str]
    account_id: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]
    lock_days: int
    region: str | None
    tags: Mapping[str, str]


class BackupBucket(pulumi.ComponentResource):
    """Outputs: `bucket` (its name), `arn`."""

    def __init__(self, name: str, args: BackupBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:backup:BackupBucket", name, None, opts)
        bucket = private_bucket(
            name,
            PrivateBucketArgs(
                bucket=args.bucket,
                lock=True,
                encryption={
                    "apply_server_side_encryption_by_default": {
                        "kms_master_key_id": args.kms_key_arn,
                        "sse_algorithm": "aws:kms",
                    },
                    "bucket_key_enabled": True,  # one key request for many objects: WAL segments are many
                },
                lifecycle=Lifecycle(
                    id="what-was-deleted",
                    # Current objects have no expiry: which of them are needed only pgBackRest's `expire` knows.
                    expiration={"expired_object_delete_marker": True},
                    # Counted from the day when it was deleted or overwritten, so never before its lock has ended.
                    noncurrent_days=args.lock_days,
                ),
                region=args.region,
                tags=args.tags,
            ),
            parent=self,
        )
        aws.s3.BucketObjectLockConfiguration(
            f"{name}-lock",
            bucket=bucket.name,
            region=args.region,
            # Governance: who holds s3:BypassGovernanceRetention may delete; no host does. Compliance could be undone by
            # nobody, a mistaken number of days neither.
            rule={"default_retention": {"days": args.lock_days, "mode": "GOVERNANCE"}},
            opts=bucket.kept,
        )
        policy = pulumi.Output.all(bucket.arn, args.kms_key_arn).apply(
            lambda known: bucket_policies.policy(known[0], bucket_policies.own_key_only(*known))
        )
        aws.s3.BucketPolicy(f"{name}-policy", bucket=bucket.name, policy=policy, region=args.region, opts=bucket.kept)
        self._log_access(name, bucket, args)
        self.bucket: pulumi.Output[str] = bucket.name
        self.arn: pulumi.Output[str] = bucket.arn
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})

    def _log_access(self, name: str, bucket: PrivateBucket, args: BackupBucketArgs) -> None:
        logs = AccessLogsBucket(
            f"{name}-logs",
            AccessLogsBucketArgs(
                bucket=args.logs_bucket,
                source_bucket_arn=bucket.arn,
                account_id=args.account_id,
                region=args.region,
                tags=args.tags,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        aws.s3.BucketLogging(
            f"{name}-logging",
            bucket=bucket.name,
            region=args.region,
            target_bucket=logs.bucket,
            target_prefix=PREFIX,
            opts=bucket.kept,
        )
