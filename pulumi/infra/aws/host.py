"""One host: an instance without a public address, and volumes that outlive it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from infra.topology import HostPlan

ROOT_VOLUME_GIB = 20  # system and logs; each database directory has a volume of its own
DEVICE_NAMES = {"data": "/dev/sdf", "wal": "/dev/sdg", "etcd": "/dev/sdh", "repository": "/dev/sdi"}
BY_ID = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_"  # Nitro instances; the dash of `vol-` is dropped there


@dataclass(frozen=True, kw_only=True)
class HostArgs:
    """Inputs. `plan`: the host as the topology has it; `user` and `public_key` are the only way in."""

    plan: HostPlan
    instance_type: str
    image_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    security_group_ids: Sequence[pulumi.Input[str]]
    kms_key_arn: pulumi.Input[str]
    user: str
    public_key: str
    tags: Mapping[str, str]
    profile_name: pulumi.Input[str] | None = field(default=None)


class Host(pulumi.ComponentResource):
    """Outputs: `devices`, the path of each volume on the host by its purpose."""

    def __init__(self, name: str, args: HostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:compute:Host", name, None, opts)
        plan = args.plan
        tags = {**args.tags, "Name": name}
        instance = aws.ec2.Instance(
            f"{name}-instance",
            ami=args.image_id,
            associate_public_ip_address=False,
            ebs_optimized=True,
            iam_instance_profile=args.profile_name,
            instance_type=args.instance_type,
            # One hop: what runs in a container on the host can't ask for the host's credentials.
            metadata_options={"http_endpoint": "enabled", "http_put_response_hop_limit": 1, "http_tokens": "required"},
            private_ip=str(plan.address),
            root_block_device={
                "encrypted": True,
                "kms_key_id": args.kms_key_arn,
                "tags": tags,
                "volume_size": ROOT_VOLUME_GIB,
                "volume_type": "gp3",
            },
            subnet_id=args.subnet_id,
            tags=tags,
            user_data=first_boot(plan.name, args.user, args.public_key),
            vpc_security_group_ids=args.security_group_ids,
            opts=pulumi.ResourceOptions(
                parent=self,
                # The address is fixed, so the old instance must be gone first.
                delete_before_replace=True,
                # A newer image or another first-boot text is for new hosts: running ones are Ansible's.
                ignore_changes=["ami", "user_data"],
            ),
        )
        self.devices: dict[str, pulumi.Output[str]] = {}
        for volume in plan.volumes:
            disk = aws.ebs.Volume(
                f"{name}-{volume.purpose}",
                availability_zone=plan.zone,
                encrypted=True,
                kms_key_id=args.kms_key_arn,
                size=volume.size_gib,
                tags={**args.tags, "Name": f"{name}-{volume.purpose}"},
                type="gp3",
                # Protected while the host belongs to a cluster; retained even after that.
                opts=pulumi.ResourceOptions(parent=self, protect=plan.state == "active", retain_on_delete=True),
            )
            attachment = aws.ec2.VolumeAttachment(
                f"{name}-{volume.purpose}",
                device_name=DEVICE_NAMES[volume.purpose],
                instance_id=instance.id,
                stop_instance_before_detaching=True,
                volume_id=disk.id,
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
            self.devices[volume.purpose] = attachment.volume_id.apply(lambda found: BY_ID + found.replace("-", ""))
        self.register_outputs({"devices": self.devices})


def first_boot(host: str, user: str, public_key: str) -> str:
    """Return cloud-init's configuration: the host's name and the operator's key, nothing else."""
    account = {
        "name": user,
        "shell": "/bin/bash",
        "ssh_authorized_keys": [public_key],
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
    }
    return "#cloud-config\n" + json.dumps({"hostname": host, "users": [account]}, sort_keys=True)
