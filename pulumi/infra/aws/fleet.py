"""The hosts, each with its alarms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from infra.aws.alarm_rules import host_rules
from infra.aws.alarm_topic import AlarmTopic
from infra.aws.alarms import Alarms, AlarmsArgs
from infra.aws.encryption_keys import EncryptionKeys
from infra.aws.host import Host, HostArgs
from infra.aws.image import newest_debian
from infra.aws.instance_profile import InstanceProfile
from infra.aws.network import Network
from infra.aws.security_groups import SecurityGroups
from infra.aws.stack import Stack
from infra.instance_types import instance_type
from infra.topology import CLUSTER, HostPlan


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What the hosts stand on; `profiles` by kind: database and service. `needs`: what must be there before a host."""

    keys: EncryptionKeys
    network: Network
    groups: SecurityGroups
    profiles: Mapping[str, InstanceProfile]
    topic: AlarmTopic
    needs: Sequence[pulumi.Resource]


def declare(stack: Stack, ground: Ground) -> dict[str, Host]:
    """Make all hosts of the topology, by name."""
    image_id = image(stack)
    return {plan.name: _host(stack, ground, plan, image_id) for plan in stack.topology.hosts}


def image(stack: Stack) -> pulumi.Input[str]:
    """Return the machine image: the one that the settings name, else its owner's newest Debian 13."""
    given = stack.aws.image
    if given.id:
        return given.id
    owner = given.owner or stack.aws.partition.debian_owner
    assert owner is not None  # noqa: S101 - the settings were refused otherwise; this tells the type checker
    return newest_debian(stack.settings.architecture, owner)


def _host(stack: Stack, ground: Ground, plan: HostPlan, image_id: pulumi.Input[str]) -> Host:
    kind_tags = {"database": {"Cluster": CLUSTER}, "service": {"Serves": " ".join(plan.serves)}}
    size = instance_type(plan.size.cores, plan.size.memory_mib, stack.settings.architecture)
    assert size is not None  # noqa: S101 - the settings were refused otherwise; this tells the type checker
    host = Host(
        plan.name,
        HostArgs(
            plan=plan,
            instance_type=size,
            image_id=image_id,
            subnet_id=ground.network.database_subnet_ids[plan.zone],
            security_group_ids=[ground.groups.host_ids[plan.kind]],
            kms_key_arn=ground.keys.data_arn,
            user=stack.settings.ssh.user,
            public_key=stack.aws.public_key,
            needs=ground.needs,
            profile_name=ground.profiles[plan.kind].profile_name,
            replacing=plan.name in stack.aws.replacing_hosts,
            volume_speeds={"data": stack.aws.data_speed, "wal": stack.aws.wal_speed},
            tags={**stack.tags, **kind_tags[plan.kind]},
        ),
    )
    rules = host_rules(
        plan.name, host.instance_id, host.volumes, partition=stack.aws.partition, region=stack.aws.region
    )
    Alarms(plan.name, AlarmsArgs(prefix=stack.label, topic_arn=ground.topic.arn, rules=rules, tags=stack.tags))
    return host
