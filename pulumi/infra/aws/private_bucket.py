"""What each bucket of the platform is, whatever it holds: private, owned by the account alone, versioned, kept."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class PrivateBucket:
    """`name` is known once the bucket is private and versioned: what needs either waits for it."""

    arn: pulumi.Output[str]
    name: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class PrivateBucketArgs:
    """Inputs. `bucket` is its name; `lock`: objects can be locked; `region`: another one than the stack's."""

    bucket: pulumi.Input[str]
    lock: bool
    region: str | None
    tags: Mapping[str, str]


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
    return PrivateBucket(arn=bucket.arn, name=name_when_ready)
