"""Buckets: private, versioned, locked, encrypted, logged, reached over TLS alone."""

from collections.abc import Iterator, Sequence
from typing import Any

from policy.model import UNKNOWN, Resource, Stack, differs, elements, look_up, missing
from policy.rule import OURS, resource_rule, stack_rule
from policy.tokens import (
    ACCOUNT_PUBLIC_ACCESS_BLOCK,
    BUCKET,
    BUCKET_ACL,
    BUCKET_ENCRYPTION,
    BUCKET_LIFECYCLE,
    BUCKET_LOGGING,
    BUCKET_OBJECT_LOCK,
    BUCKET_OWNERSHIP,
    BUCKET_PUBLIC_ACCESS_BLOCK,
    BUCKET_REPLICATION,
    BUCKET_VERSIONING,
)

Findings = Iterator[tuple[Resource, str]]
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
KMS_ALGORITHMS = ("aws:kms", "aws:kms:dsse")
# The shortest retention of backups (7 days, pulumi/infra/aws/settings_rules.py) and the 7 days to a full one before.
LOCK_DAYS_MIN = 14
DAYS_PER_YEAR = 365


@resource_rule(
    BUCKET_PUBLIC_ACCESS_BLOCK,
    controls=["S3.8", "CKV_AWS_53", "CKV_AWS_54", "CKV_AWS_55", "CKV_AWS_56"],
    remedy="Set all four to True.",
)
def s3_public_access_is_blocked(block: Resource) -> Iterator[str]:
    """A bucket refuses public ACLs and policies, and ignores those that are there."""
    for key in BLOCKS:
        yield from differs(block, key, True)


@stack_rule(controls=["S3.8", "CKV2_AWS_6"], remedy="Declare a BucketPublicAccessBlock for it.")
def s3_each_bucket_blocks_public_access(stack: Stack) -> Findings:
    """Each bucket has a block of public access of its own."""
    yield from without(stack, BUCKET_PUBLIC_ACCESS_BLOCK)


@resource_rule(
    ACCOUNT_PUBLIC_ACCESS_BLOCK,
    controls=["S3.1"],
    remedy="Set all four to True, or leave the account's block to the account's owner.",
)
def s3_account_blocks_public_access(block: Resource) -> Iterator[str]:
    """Where the program sets the account's block of public access, it blocks all."""
    for key in BLOCKS:
        yield from differs(block, key, True)


@stack_rule(
    controls=["S3.9", "CKV_AWS_18"],
    remedy="Declare a BucketLogging with the log bucket as its target, and none for the log bucket.",
)
def s3_access_is_logged(stack: Stack) -> Findings:
    """Each bucket writes down who reads it, but for the one with these logs: its log would be about its log."""
    for bucket in stack.of_type(BUCKET):
        receives = stack.companions(BUCKET_LOGGING, "targetBucket", bucket)
        if not receives and not stack.companions(BUCKET_LOGGING, "bucket", bucket):
            yield bucket, "no BucketLogging"
        if any(one.names_clearly("targetBucket") for one in receives) and is_logged(stack, bucket):
            yield bucket, "it receives access logs and is logged itself"


@stack_rule(
    controls=["S3.10", "S3.13", "CKV2_AWS_61", "CKV_AWS_300"],
    remedy="Declare a BucketLifecycleConfiguration with an enabled rule that has abort_incomplete_multipart_upload.",
)
def s3_lifecycle(stack: Stack) -> Findings:
    """Each bucket has a lifecycle, and uploads that were broken off do not stay for ever."""
    yield from without(stack, BUCKET_LIFECYCLE)
    for bucket in stack.of_type(BUCKET):
        for lifecycle in stack.companions(BUCKET_LIFECYCLE, "bucket", bucket):
            rules = [rule for rule in elements(lifecycle.get("rules")) if look_up(rule, "status") != "Disabled"]
            aborts = [look_up(rule, "abortIncompleteMultipartUpload") for rule in rules]
            if lifecycle.get("rules") is not UNKNOWN and not any(aborts):
                yield bucket, f"{len(rules)} enabled lifecycle rules, none ends broken uploads"


@stack_rule(
    controls=["S3.12", "CKV2_AWS_65"],
    remedy="Declare BucketOwnershipControls with object_ownership='BucketOwnerEnforced' and no ACL.",
)
def s3_no_acls(stack: Stack) -> Findings:
    """No bucket has ACLs: its policy alone says who may."""
    yield from without(stack, BUCKET_OWNERSHIP)
    for bucket in stack.of_type(BUCKET):
        for owner in stack.companions(BUCKET_OWNERSHIP, "bucket", bucket):
            yield from ((bucket, found) for found in differs(owner, "rule.objectOwnership", "BucketOwnerEnforced"))
        yield from ((bucket, found) for found in differs(bucket, "acl", None))
    yield from ((acl, "an ACL") for acl in stack.of_type(BUCKET_ACL))


@stack_rule(
    controls=["S3.14", "CKV_AWS_21"],
    remedy="Declare BucketVersioning with status='Enabled'.",
)
def s3_versioned(stack: Stack) -> Findings:
    """Each bucket keeps what was overwritten or deleted."""
    yield from without(stack, BUCKET_VERSIONING)
    for bucket in stack.of_type(BUCKET):
        for versions in stack.companions(BUCKET_VERSIONING, "bucket", bucket):
            yield from ((bucket, found) for found in differs(versions, "versioningConfiguration.status", "Enabled"))


@stack_rule(
    controls=["S3.15", "CKV_AWS_143"],
    remedy="Set object_lock_enabled=True on the bucket and declare its BucketObjectLockConfiguration with a "
    f"retention of {LOCK_DAYS_MIN} days or more, and of no fewer than the lifecycle's noncurrent_days; "
    "a bucket for access logs takes none (Amazon S3 user guide, server access logging).",
)
def s3_backups_are_locked(stack: Stack) -> Findings:
    """But in that for logs, nobody without s3:BypassGovernanceRetention deletes an object before its time."""
    for bucket in stack.of_type(BUCKET):
        if bucket in log_buckets(stack):
            continue
        yield from ((bucket, found) for found in differs(bucket, "objectLockEnabled", True))
        locks = stack.companions(BUCKET_OBJECT_LOCK, "bucket", bucket)
        if not locks:
            yield bucket, "no BucketObjectLockConfiguration"
        for lock in locks:
            yield from ((bucket, found) for found in missing(lock, "rule.defaultRetention.mode"))
            needed = max([LOCK_DAYS_MIN, *noncurrent_days(stack, bucket)])
            days = lock_days(lock)
            if days is not UNKNOWN and days < needed:
                yield bucket, f"a lock of {days:g} days, {needed:g} are needed"


@stack_rule(
    controls=["S3.17", "CKV_AWS_19", "CKV_AWS_145"],
    remedy="Declare BucketServerSideEncryptionConfiguration with sse_algorithm='aws:kms', kms_master_key_id and "
    "bucket_key_enabled=True; a bucket for access logs takes AES256 alone (Amazon S3 user guide).",
)
def s3_encrypted_with_own_key(stack: Stack) -> Findings:
    """Each bucket encrypts with the platform's key; the one for access logs with S3's own, as S3 wants it."""
    yield from without(stack, BUCKET_ENCRYPTION)
    logs = log_buckets(stack)
    for bucket in stack.of_type(BUCKET):
        encryptions = stack.companions(BUCKET_ENCRYPTION, "bucket", bucket)
        for encryption in (one for one in encryptions if one.names_clearly("bucket")):
            yield from ((bucket, found) for found in missing(encryption, "rules"))
            for rule in elements(encryption.get("rules")):
                default = look_up(rule, "applyServerSideEncryptionByDefault")
                if bucket in logs and look_up(default, "sseAlgorithm") in ("AES256", UNKNOWN):
                    continue
                yield from ((bucket, found) for found in differs(default or {}, "sseAlgorithm", *KMS_ALGORITHMS))
                yield from ((bucket, found) for found in missing(default or {}, "kmsMasterKeyId"))
                yield from ((bucket, found) for found in differs(rule, "bucketKeyEnabled", True))


@stack_rule(
    controls=["S3.7", "CKV_AWS_144"],
    level="advisory",
    remedy="Set backup_second_region: pgBackRest then keeps a second repository there.",
)
def s3_backups_lie_in_two_regions(stack: Stack) -> Findings:
    """Backups outlive the loss of a region."""
    buckets = [bucket for bucket in stack.of_type(BUCKET) if bucket not in log_buckets(stack)]
    regions = {bucket.get("region") for bucket in buckets}
    for bucket in buckets:
        alone = len(regions) == 1 and not stack.companions(BUCKET_REPLICATION, "bucket", bucket)
        if alone and UNKNOWN not in regions:
            yield bucket, "all backups lie in one region"


@resource_rule(
    BUCKET,
    controls=[OURS],
    remedy="Set protect=True and force_destroy=False.",
)
def s3_buckets_are_kept(bucket: Resource) -> Iterator[str]:
    """A bucket can't be deleted by the program, least of all with what lies in it."""
    if not bucket.protect:
        yield "protect is False"
    yield from differs(bucket, "forceDestroy", None, False)


def without(stack: Stack, kind: str) -> Findings:
    """Return the buckets that lack a resource of this type."""
    for bucket in stack.of_type(BUCKET):
        if not stack.companions(kind, "bucket", bucket):
            yield bucket, f"no {kind.rsplit(':', 1)[-1]}"


def log_buckets(stack: Stack) -> Sequence[Resource]:
    """Return the buckets that receive access logs and have none of their own: two that log to each other are none."""
    return [
        bucket
        for bucket in stack.of_type(BUCKET)
        if stack.companions(BUCKET_LOGGING, "targetBucket", bucket) and not is_logged(stack, bucket)
    ]


def is_logged(stack: Stack, bucket: Resource) -> bool:
    """Whether a bucket has access logs of its own; not where a preview can't tell whose they are."""
    return any(one.names_clearly("bucket") for one in stack.companions(BUCKET_LOGGING, "bucket", bucket))


def lock_days(lock: Resource) -> Any:
    """Return for how many days an object is locked; UNKNOWN where a preview can't tell."""
    days, years = (lock.get(f"rule.defaultRetention.{unit}") for unit in ("days", "years"))
    return UNKNOWN if UNKNOWN in (days, years) else days or DAYS_PER_YEAR * (years or 0)


def noncurrent_days(stack: Stack, bucket: Resource) -> Iterator[float]:
    """Yield for how many days the bucket's lifecycle keeps what was overwritten or deleted."""
    for lifecycle in stack.companions(BUCKET_LIFECYCLE, "bucket", bucket):
        for rule in elements(lifecycle.get("rules")):
            days = look_up(rule, "noncurrentVersionExpiration.noncurrentDays")
            if isinstance(days, int | float) and look_up(rule, "status") == "Enabled":
                yield days
