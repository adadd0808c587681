"""Where backups go: a service host's volume, or a bucket, with a second one in another region where that is wanted.

The second bucket is a repository of its own, which pgBackRest writes as its `repo2`, and no replica that S3 makes: a
replica repeats what happened to the first one, its damage and the delete markers of a wrong `expire` too; it lags
behind without pgBackRest knowing, and what was there before it was switched on is missing from it. pgBackRest checks
both, restores from either and expires each by its own retention.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from infra.aws.backup_bucket import BackupBucket, BackupBucketArgs
from infra.aws.bucket_names import stems
from infra.aws.encryption_keys import EncryptionKeys
from infra.aws.instance_profile import BucketAccess
from infra.aws.stack import Stack


@dataclass(frozen=True, kw_only=True)
class BackupStore:
    """`repository` is the contract's object; `buckets` are what a database host needs access to."""

    repository: Mapping[str, object]
    buckets: Sequence[BucketAccess]


def backup_regions(stack: Stack) -> list[str]:
    """Return where a bucket lies, the stack's own region first; nowhere when a service host has the repository."""
    if stack.topology.repository_host:
        return []
    return [stack.aws.region, *filter(None, [stack.aws.backup.second_region])]


def backup_store(stack: Stack, keys: EncryptionKeys) -> BackupStore:
    """Make the buckets, where there are any."""
    backup = stack.aws.backup
    retention = {"retention_days": backup.retention_days}
    if host := stack.topology.repository_host:
        return BackupStore(repository={"type": "host", "host": host, **retention}, buckets=[])
    places: list[dict[str, object]] = []
    buckets: list[BucketAccess] = []
    for region in backup_regions(stack):
        first = region == stack.aws.region
        stem, logs_stem = stems(stack.label, "" if first else region)
        bucket = BackupBucket(
            "backup" if first else f"backup-{region}",
            BackupBucketArgs(
                bucket=pulumi.Output.concat(stem, stack.account_id),
                logs_bucket=pulumi.Output.concat(logs_stem, stack.account_id),
                account_id=stack.account_id,
                kms_key_arn=keys.backup_arns[region],
                lock_days=backup.lock_days,
                region=None if first else region,
                tags=stack.tags,
            ),
        )
        places.append({"bucket": bucket.bucket, "region": region, "kms_key_arn": keys.backup_arns[region]})
        buckets.append(BucketAccess(bucket_arn=bucket.arn, kms_key_arn=keys.backup_arns[region], region=region))
    first_place, *others = places
    second = next(iter(others), None)
    return BackupStore(repository={"type": "s3", **first_place, **retention, "second": second}, buckets=buckets)
