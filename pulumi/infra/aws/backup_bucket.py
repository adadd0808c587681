"""The bucket for backups: private, versioned, locked, encrypted with the platform's key, reachable over TLS alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws import bucket_policies
from infra.aws.access_logs_bucket import PREFIX, AccessLogsBucket, AccessLogsBucketArgs
from infra.aws.private_bucket import PrivateBucket, PrivateBucketArgs, private_bucket

# pgBackRest never resumes an upload of another run: what is left of one is garbage.
UPLOAD_DAYS_MAX = 7


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
    region: str | None = None
    tags: Mapping[str, str]


class BackupBucket(pulumi.ComponentResource):
    """Outputs: `bucket` (its name), `arn`."""

    def __init__(self, name: str, args: BackupBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:backup:BackupBucket", name, None, opts)
        self._name, self._args = name, args
        bucket = private_bucket(
            name,
            PrivateBucketArgs(bucket=args.bucket, lock=True, region=args.region, tags=args.tags),
            parent=self,
        )
        self._encrypt(bucket)
        self._keep(bucket)
        self._log_access(bucket)
        self.bucket: pulumi.Output[str] = bucket.name
        self.arn: pulumi.Output[str] = bucket.arn
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})

    def _kept(self) -> pulumi.ResourceOptions:
        """What guards the bucket stays with it when the stack goes."""
        return pulumi.ResourceOptions(parent=self, retain_on_delete=True)

    def _encrypt(self, bucket: PrivateBucket) -> None:
        name, args = self._name, self._args
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.name,
            region=args.region,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {
                        "kms_master_key_id": args.kms_key_arn,
                        "sse_algorithm": "aws:kms",
                    },
                    "bucket_key_enabled": True,  # one key request for many objects: WAL segments are many
                }
            ],
            opts=self._kept(),
        )
        policy = pulumi.Output.all(bucket.arn, args.kms_key_arn).apply(
            lambda known: bucket_policies.policy(
                [bucket_policies.tls_only(known[0]), *bucket_policies.own_key_only(*known)]
            )
        )
        aws.s3.BucketPolicy(f"{name}-policy", bucket=bucket.name, policy=policy, region=args.region, opts=self._kept())

    def _keep(self, bucket: PrivateBucket) -> None:
        name, args = self._name, self._args
        aws.s3.BucketObjectLockConfiguration(
            f"{name}-lock",
            bucket=bucket.name,
            region=args.region,
            # Governance: who holds s3:BypassGovernanceRetention may delete; no host does. Compliance could be undone by
            # nobody, a mistaken number of days neither.
            rule={"default_retention": {"days": args.lock_days, "mode": "GOVERNANCE"}},
            opts=self._kept(),
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket.name,
            region=args.region,
            rules=[
                {
                    # Current objects have no expiry: which of them are still needed only pgBackRest's `expire` knows.
                    "id": "what-was-deleted",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": UPLOAD_DAYS_MAX},
                    "expiration": {"expired_object_delete_marker": True},
                    # Counted from the day when it was deleted or overwritten, so never before its lock has ended.
                    "noncurrent_version_expiration": {"noncurrent_days": args.lock_days},
                }
            ],
            opts=self._kept(),
        )

    def _log_access(self, bucket: PrivateBucket) -> None:
        name, args = self._name, self._args
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
            opts=self._kept(),
        )
