"""One host: an instance without a public address, and volumes that outlive it.

Hosts are spread over zones by the topology. There is no placement group beside that: with a zone's power and network
apart, no rack can take the majority of etcd's members with it, and a group that finds no further rack refuses to start
a host just when one is being replaced.

Replacing a host with data takes steps, because nothing that looks like a mistake may do it: switch over if it leads;
name it in `replacing_hosts` and run `pulumi up`, which lifts the protections of its instance and attachments; run
`pulumi up --replace <URN of its instance>`, which makes an instance of the newest image with the old address and the
old volumes; take the name out again, run `pulumi up`, then the site's playbook. Another size stops the instance: it
needs the same mark first, from an `up` of its own (the provider stops an instance before it lifts its protection).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws.settings import VolumeSpeed
from infra.aws.volumes import AttachedVolume, VolumesArgs, attach_volumes
from infra.topology import HostPlan, Purpose

ROOT_VOLUME_GIB = 20  # system and logs; each database directory has a volume of its own


@dataclass(frozen=True, kw_only=True)
class HostArgs:
    """Inputs. `plan`: the host as the topology has it; `user` and `public_key` are the only way in.

    `needs`: what it can't do without, from its first boot until it is gone. `replacing`: its instance is about to be
    replaced. `volume_speeds`: those that are not what gp3 includes.
    """

    plan: HostPlan
    instance_type: str
    image_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    security_group_ids: Sequence[pulumi.Input[str]]
    kms_key_arn: pulumi.Input[str]
    user: str
    public_key: str
    tags: Mapping[str, str]
    needs: Sequence[pulumi.Resource]
    profile_name: pulumi.Input[str]
    replacing: bool
    volume_speeds: Mapping[Purpose, VolumeSpeed]


class Host(pulumi.ComponentResource):
    """Outputs: `instance_id`, `volumes` by their purpose, `devices`: the path of each on the host."""

    def __init__(self, name: str, args: HostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:compute:Host", name, None, opts)
        plan = args.plan
        guarded = plan.is_guarded and not args.replacing
        tags = {**args.tags, **state_tags(plan, replacing=args.replacing), "Name": name}
        instance = aws.ec2.Instance(
            f"{name}-instance",
            ami=args.image_id,
            associate_public_ip_address=False,
            # Stopping ends a leader without a switchover; a console's user and other programs are refused both.
            disable_api_stop=guarded,
            disable_api_termination=guarded,
            ebs_optimized=True,
            iam_instance_profile=args.profile_name,
            # With `terminate`, a shutdown inside the host would get round its termination protection.
            instance_initiated_shutdown_behavior="stop",
            instance_type=args.instance_type,
            maintenance_options={"auto_recovery": "default"},  # onto other hardware when its own fails
            metadata_options={
                "http_endpoint": "enabled",
                "http_protocol_ipv6": "disabled",
                # One hop: what runs in a container on the host can't ask for the host's credentials.
                "http_put_response_hop_limit": 1,
                "http_tokens": "required",
                "instance_metadata_tags": "disabled",
            },
            monitoring=True,  # metrics by the minute: the alarms count in minutes
            # The host's names are those of the private zone; EC2's own follow the address and answer for nothing else.
            private_dns_name_options={
                "enable_resource_name_dns_a_record": False,
                "enable_resource_name_dns_aaaa_record": False,
                "hostname_type": "ip-name",
            },
            # Fixed instead of an interface of its own: either must be free before a new instance can have it.
            private_ip=str(plan.address),
            root_block_device={
                "delete_on_termination": True,  # it holds nothing that Ansible doesn't write anew
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
                depends_on=args.needs,
                # The address is fixed, so the old instance must be gone first.
                delete_before_replace=True,
                # A newer image or another first-boot text is for new hosts: running ones are Ansible's.
                ignore_changes=["ami", "user_data"],
                # What would replace or remove the host is refused in the preview, not by AWS in the middle of an `up`.
                protect=guarded,
            ),
        )
        self.instance_id: pulumi.Output[str] = instance.id
        self.volumes: dict[Purpose, AttachedVolume] = attach_volumes(
            name,
            VolumesArgs(
                plan=plan,
                instance_id=instance.id,
                kms_key_arn=args.kms_key_arn,
                speeds=args.volume_speeds,
                guarded=guarded,
                tags=args.tags,
            ),
            parent=self,
        )
        self.devices: dict[str, pulumi.Output[str]] = {
            purpose: volume.device for purpose, volume in self.volumes.items()
        }
        self.register_outputs({"instance_id": self.instance_id, "devices": self.devices})


def state_tags(plan: HostPlan, *, replacing: bool) -> dict[str, str]:
    """Return the tags by which, with those of its cluster, inventories/production_by_tags finds a host's groups.

    The policies know by `State` whose protections are lifted on purpose.
    """
    return {"State": "replacing" if replacing else plan.state, **({"Etcd": "member"} if plan.etcd_member else {})}


def first_boot(host: str, user: str, public_key: str) -> str:
    """Return cloud-init's configuration: the host's name and the operator's key, nothing else."""
    account = {
        "name": user,
        "shell": "/bin/bash",
        "ssh_authorized_keys": [public_key],
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
    }
    return "#cloud-config\n" + json.dumps({"hostname": host, "users": [account]}, sort_keys=True)
