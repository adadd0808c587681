"""Volumes and snapshots."""

from collections.abc import Iterator

from policy.model import UNKNOWN, Resource, Stack, differs, elements, look_up, missing
from policy.rule import OURS, resource_rule, stack_rule
from policy.rules.ec2 import CLUSTER_TAG, SERVES_TAG, repository_hosts
from policy.tokens import (
    BUCKET,
    EBS_DEFAULT_ENCRYPTION,
    IMAGE_PERMISSION,
    INSTANCE,
    LAUNCH_TEMPLATE,
    SNAPSHOT_BLOCK_PUBLIC_ACCESS,
    SNAPSHOT_PERMISSION,
    VOLUME,
)


@resource_rule(
    VOLUME,
    INSTANCE,
    LAUNCH_TEMPLATE,
    controls=["EC2.3", "CKV_AWS_3", "CKV_AWS_8", "CKV_AWS_189"],
    remedy="Set encrypted=True and kms_key_id to the platform's key.",
)
def ebs_encrypted_with_own_key(resource: Resource) -> Iterator[str]:
    """Each volume, a host's first one too, is encrypted with a key whose policy is the platform's."""
    if resource.type == VOLUME:
        disks = [resource.inputs]
    elif resource.type == INSTANCE:
        disks = [resource.get("rootBlockDevice") or {}, *elements(resource.get("ebsBlockDevices"))]
    else:
        disks = [look_up(mapping, "ebs") or {} for mapping in elements(resource.get("blockDeviceMappings"))]
    for disk in disks:
        yield from differs(disk, "encrypted", True, "true")
        yield from missing(disk, "kmsKeyId")


@resource_rule(
    EBS_DEFAULT_ENCRYPTION,
    controls=["EC2.7", "CKV_AWS_106"],
    remedy="Set enabled=True, or leave the account's default to the account's owner.",
)
def ebs_default_encryption_stays_on(resource: Resource) -> Iterator[str]:
    """The account's default encryption of volumes is not switched off."""
    yield from differs(resource, "enabled", None, True)


@resource_rule(
    SNAPSHOT_BLOCK_PUBLIC_ACCESS,
    SNAPSHOT_PERMISSION,
    IMAGE_PERMISSION,
    controls=["EC2.1", "EC2.182"],
    remedy="Take the permission away; give a copy of data by a dump, encrypted for whom it is meant.",
)
def ebs_snapshots_stay_in_the_account(resource: Resource) -> Iterator[str]:
    """No snapshot or image is shared: it holds the database."""
    if resource.type == SNAPSHOT_BLOCK_PUBLIC_ACCESS:
        yield from differs(resource, "state", "block-all-sharing", "block-new-sharing")
    else:
        yield "the permission opens it to others"


@stack_rule(
    controls=["EC2.28"],
    remedy="Declare the backup bucket, or let a service host serve repository: pgBackRest's full and incremental "
    "backups and all WAL stand for a backup plan.",
)
def ebs_data_is_backed_up(stack: Stack) -> Iterator[tuple[Resource, str]]:
    """Database volumes have backups: in a bucket with object lock, or on a host of the stack."""
    locked = [bucket for bucket in stack.of_type(BUCKET) if bucket.get("objectLockEnabled") not in (None, False)]
    unclear = [host for host in stack.of_type(INSTANCE) if host.get(f"tags.{SERVES_TAG}") is UNKNOWN]
    data = [volume for volume in stack.of_type(VOLUME) if volume.get(f"tags.{CLUSTER_TAG}") not in (None, UNKNOWN)]
    if data and not (locked or unclear or repository_hosts(stack)):
        yield data[0], f"{len(data)} database volumes; no bucket with object_lock_enabled and no host has their backups"


@stack_rule(
    controls=[OURS],
    remedy="Set protect=True; mark the host as retiring before its volumes may go.",
)
def ebs_volumes_are_protected(stack: Stack) -> Iterator[tuple[Resource, str]]:
    """A volume of a host that belongs to the platform can't be deleted by the program."""
    for volume in stack.of_type(VOLUME):
        if not volume.protect and not stack.retiring(volume):
            yield volume, "protect is False"
