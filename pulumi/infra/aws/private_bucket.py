"""What each bucket of the platform is, whatever it holds: private, owned by the account alone, versioned, kept."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

# pgBackRest never resumes an upload of another run, nor does S3 with its logs: what is left of one is garbage.
UPLOAD_DAYS_MAX = 7


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """What S3 deletes by itself: current objects by `expiration`, others `noncurrent_days` after they became that."""

    id: str
    expiration: aws.s3.BucketLifecycleConfigurationRuleExpirationArgsDict
    noncurrent_days: int


@dataclass(frozen=True, kw_only=True)
class PrivateBucketArgs:
    """Inputs. `bucket` is its name; `lock`: objects can be locked; `region`: another one than the stack's."""

    bucket: pulumi.Input[str]
    lock: bool
    encryption: aws.s3.BucketServerSideEncryptionConfigurationRuleArgsDict
    lifecycle: Lifecycle
    region: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class PrivateBucket:
    """`name` is known once the bucket is private and versioned: what needs either waits for it.

    `kept`: options for what else guards the bucket, so that it stays with it when the stack goes.
    """

    arn: pulumi.Output[str]
    name: pulumi.Output[str]
    kept: pulumi.ResourceOptions


def private_bucket(name: str, args: PrivateBucketArgs, parent: pulumi.Resource) -> PrivateBucket:
    """Make the bucket. It outlives the stack, and with it all that guards it: `destroy` opens nothing."""
    bucket = aws.s3.Bucket(
        f"{name}-bucket",
        bucket=args.bucket,
        force_destroy=False,
        object_lock_enabled=args.lock,
        region=args.region,
        tags={**args.tags, "Name": name},
        opts=pulumi.ResourceOptions(
            parent=parent,
            protect=True,
            retain_on_delete=True,
            # A change of it would replace the bucket; S3 lets it be switched on later, by the lock's own resource.
            ignore_changes=["objectLockEnabled"],
        ),
    )
    kept = pulumi.ResourceOptions(parent=parent, retain_on_delete=True)
    aws.s3.BucketOwnershipControls(
        f"{name}-owner",
        bucket=bucket.id,
        region=args.region,
        rule={"object_ownership": "BucketOwnerEnforced"},  # access lists count for nothing (FSBP S3.12)
        opts=kept,
    )
    private = aws.s3.BucketPublicAccessBlock(
        f"{name}-private",
        block_public_acls=True,
        block_public_policy=True,
        bucket=bucket.id,
        ignore_public_acls=True,
        region=args.region,
        restrict_public_buckets=True,
        opts=kept,
    )
    versions = aws.s3.BucketVersioning(
        f"{name}-versions",
        bucket=bucket.id,
        region=args.region,
        versioning_configuration={"status": "Enabled"},
        opts=kept,
    )
    name_when_ready = pulumi.Output.all(private.bucket, versions.bucket).apply(lambda names: str(names[0]))
    aws.s3.BucketServerSideEncryptionConfiguration(
        f"{name}-encryption", bucket=name_when_ready, region=args.region, rules=[args.encryption], opts=kept
    )
    aws.s3.BucketLifecycleConfiguration(
        f"{name}-lifecycle",
        bucket=name_when_ready,
        region=args.region,
        rules=[
            {
                "id": args.lifecycle.id,
                "status": "Enabled",
                "filter": {"prefix": ""},
                "abort_incomplete_multipart_upload": {"days_after_initiation": UPLOAD_DAYS_MAX},
                "expiration": args.lifecycle.expiration,
                "noncurrent_version_expiration": {"noncurrent_days": args.lifecycle.noncurrent_days},
            }
        ],
        opts=kept,
    )
    return PrivateBucket(arn=bucket.arn, name=name_when_ready, kept=kept)
