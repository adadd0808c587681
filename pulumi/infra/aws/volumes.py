"""A host's volumes: gp3, encrypted with the platform's key, resources of their own that outlive the instance."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws.settings import VolumeSpeed
from infra.topology import HostPlan, Purpose, VolumePlan

DEVICE_NAMES: dict[Purpose, str] = {
    "data": "/dev/sdf",
    "wal": "/dev/sdg",
    "etcd": "/dev/sdh",
    "repository": "/dev/sdi",
    "metrics": "/dev/sdj",
}
BY_ID = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_"  # Nitro instances; the dash of `vol-` is dropped there
# What each gp3 volume has without a further charge. Source: EBS user guide, "General Purpose SSD volumes".
INCLUDED = VolumeSpeed(iops=3000, throughput_mibps=125)


@dataclass(frozen=True, kw_only=True)
class VolumesArgs:
    """Inputs. `speeds` by purpose; what is not named has the speed that gp3 includes.

    `guarded`: the host is in use, so nothing takes its volumes off.
    """

    plan: HostPlan
    instance_id: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]
    speeds: Mapping[Purpose, VolumeSpeed]
    guarded: bool
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class AttachedVolume:
    """A volume of a host: `device` is its path there, once it is attached."""

    id: pulumi.Output[str]
    device: pulumi.Output[str]
    speed: VolumeSpeed


def attach_volumes(name: str, args: VolumesArgs, parent: pulumi.Resource) -> dict[Purpose, AttachedVolume]:
    """Make a host's volumes and attach them. They stay children of the host itself: their names are kept for ever."""
    return {volume.purpose: _attach(f"{name}-{volume.purpose}", volume, args, parent) for volume in args.plan.volumes}


def _attach(name: str, volume: VolumePlan, args: VolumesArgs, parent: pulumi.Resource) -> AttachedVolume:
    speed = args.speeds.get(volume.purpose, INCLUDED)
    disk = aws.ebs.Volume(
        name,
        availability_zone=args.plan.zone,
        encrypted=True,
        # The last net: a volume that somebody deletes through the program after all leaves a snapshot.
        final_snapshot=True,
        iops=speed.iops,
        kms_key_id=args.kms_key_arn,
        # Size and speed change in place, while the volume is used. AWS takes a size that grows alone.
        size=volume.size_gib,
        tags={**args.tags, "Name": name},
        throughput=speed.throughput_mibps,
        type="gp3",
        # Protected while the host belongs to a cluster, also when its instance is replaced; retained even after that.
        opts=pulumi.ResourceOptions(parent=parent, protect=args.plan.state == "active", retain_on_delete=True),
    )
    attachment = aws.ec2.VolumeAttachment(
        name,
        device_name=DEVICE_NAMES[volume.purpose],
        instance_id=args.instance_id,
        # Taken off a running host, a volume loses what the host has not written yet.
        stop_instance_before_detaching=True,
        volume_id=disk.id,
        opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=True, protect=args.guarded),
    )
    return AttachedVolume(
        id=disk.id,
        device=attachment.volume_id.apply(lambda found: BY_ID + found.replace("-", "")),
        speed=speed,
    )
