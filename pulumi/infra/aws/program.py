"""The target `aws`: a private network over zones, hosts with volumes that outlive them, a bucket for backups, a key."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra import cidrs
from infra.aws.alarm_rules import host_rules
from infra.aws.alarm_topic import AlarmTopic, AlarmTopicArgs
from infra.aws.alarms import Alarms, AlarmsArgs
from infra.aws.backup_store import backup_regions, backup_store
from infra.aws.encryption_keys import EncryptionKeys, EncryptionKeysArgs
from infra.aws.host import Host, HostArgs
from infra.aws.image import newest_debian
from infra.aws.instance_profile import InstanceProfile, InstanceProfileArgs
from infra.aws.load_balancer import LoadBalancer, LoadBalancerArgs
from infra.aws.network import Network, NetworkArgs
from infra.aws.private_zone import PrivateZone, PrivateZoneArgs
from infra.aws.secrets import Secrets, SecretsArgs
from infra.aws.security_groups import SecurityGroups, SecurityGroupsArgs
from infra.aws.settings import AwsSettings
from infra.export import NAMES, PORTS, SECRETS
from infra.instance_types import instance_type
from infra.settings import Architecture
from infra.target import Declared, DeclaredHost, connect_to
from infra.topology import HostPlan, Topology

CLUSTER = "main"
AUTHORITY = ("ca_certificate", "ca_private_key")


def declare(topology: Topology) -> Declared:
    """Make the resources and say how the hosts are reached."""
    settings, given = topology.settings, topology.settings.aws
    assert given is not None  # noqa: S101 - the target says so; this tells the type checker
    tags = {"Project": settings.project, "Environment": settings.environment, "ManagedBy": "pulumi"}
    account_id = aws.get_caller_identity_output().account_id
    label = f"{settings.project}-{settings.environment}"

    keys = EncryptionKeys(
        "encryption",
        EncryptionKeysArgs(
            account_id=account_id,
            region=given.region,
            partition=given.partition,
            label=label,
            backup_regions=backup_regions(topology, given),
            tags=tags,
        ),
    )
    network = Network(
        "network",
        NetworkArgs(
            cidr=str(settings.network),
            zones=cidrs.by_zone(settings.network, settings.zones),
            egress=given.network.egress,
            vpc_id=given.network.vpc_id,
            internet_gateway_id=given.network.internet_gateway_id,
            region=given.region,
            partition=given.partition,
            account_id=account_id,
            log_group=f"/{settings.project}/{settings.environment}/flow-logs",
            log_key_arn=keys.monitoring_arn,
            tags=tags,
        ),
    )
    groups = SecurityGroups(
        "access",
        SecurityGroupsArgs(
            vpc_id=network.vpc_id,
            network=str(settings.network),
            operator=str(settings.operator_network),
            clients=[str(client) for client in settings.clients],
            s3_prefix_list_id=network.s3_prefix_list_id,
            internet=given.network.egress != "none",
            mirror_port=given.network.mirror_port,
            service_endpoints=network.service_endpoints,
            tags=tags,
        ),
    )
    backups = backup_store(topology, given, keys, account_id, tags)
    profiles = {
        kind: InstanceProfile(
            kind,
            InstanceProfileArgs(
                description=f"{label}: {kind} hosts",
                buckets=backups.buckets if kind == "database" else [],
                prefix=CLUSTER,
                partition=given.partition,
                tags=tags,
            ),
        )
        for kind in ("database", "service")
    }
    secrets = Secrets(
        "secrets",
        SecretsArgs(
            prefix=f"{settings.project}/{settings.environment}",
            names=[*SECRETS, *AUTHORITY],
            account_id=account_id,
            kms_key_arn=keys.secrets_arn,
            tags=tags,
        ),
    )
    image_id = image(settings.architecture, given)
    topic = AlarmTopic(
        "alarms",
        AlarmTopicArgs(
            alarm_prefix=label,
            partition=given.partition,
            region=given.region,
            account_id=account_id,
            kms_key_arn=keys.monitoring_arn,
            emails=given.alarm_emails,
            tags=tags,
        ),
    )

    def host(plan: HostPlan) -> Host:
        database = not plan.serves
        size = instance_type(plan.cores, plan.memory_mib, settings.architecture)
        assert size is not None  # noqa: S101 - the settings were refused otherwise; this tells the type checker
        made = Host(
            plan.name,
            HostArgs(
                plan=plan,
                instance_type=size,
                image_id=image_id,
                subnet_id=network.database_subnet_ids[plan.zone],
                security_group_ids=[groups.database_id if database else groups.service_id],
                kms_key_arn=keys.data_arn,
                user=settings.ssh.user,
                public_key=given.public_key,
                needs=[network, groups],  # its routes, endpoints of services and rules, which it names none of
                profile_name=profiles["database" if database else "service"].profile_name,
                replacing=plan.name in given.replacing_hosts,
                volume_speeds={"data": given.data_speed, "wal": given.wal_speed},
                tags={**tags, "Cluster": CLUSTER} if database else {**tags, "Serves": " ".join(plan.serves)},
            ),
        )
        rules = host_rules(
            plan.name, made.instance_id, made.volumes, partition=given.partition.name, region=given.region
        )
        Alarms(plan.name, AlarmsArgs(prefix=label, topic_arn=topic.arn, rules=rules, tags=tags))
        return made

    hosts = {plan.name: host(plan) for plan in topology.hosts}
    balancer = _balancer(topology, network, groups, hosts, tags)
    names = _names(topology, network, balancer, tags)
    return Declared(
        architecture=settings.architecture,
        virtual="vm",
        hosts={
            plan.name: DeclaredHost(connect=connect_to(topology, plan), devices=hosts[plan.name].devices)
            for plan in topology.hosts
        },
        repository=backups.repository,
        secrets={name: secrets.references[name] for name in SECRETS},
        ca_certificate=secrets.references["ca_certificate"],
        ca_private_key=secrets.references["ca_private_key"],
        endpoint_names=names.endpoint_names,
    )


def _balancer(
    topology: Topology, network: Network, groups: SecurityGroups, hosts: Mapping[str, Host], tags: Mapping[str, str]
) -> LoadBalancer:
    active = [plan.name for plan in topology.database_hosts if plan.state == "active"]
    return LoadBalancer(
        "nlb",
        LoadBalancerArgs(
            vpc_id=network.vpc_id,
            subnet_ids=list(network.database_subnet_ids.values()),
            security_group_id=groups.balancer_id,
            ports=PORTS,
            targets={name: hosts[name].instance_id for name in active},
            tags=tags,
        ),
    )


def _names(topology: Topology, network: Network, balancer: LoadBalancer, tags: Mapping[str, str]) -> PrivateZone:
    given = topology.settings.aws
    assert given is not None  # noqa: S101 - the target says so; this tells the type checker
    return PrivateZone(
        "names",
        PrivateZoneArgs(
            domain=given.private_zone,
            vpc_id=network.vpc_id,
            hosts={plan.name: str(plan.address) for plan in topology.hosts},
            endpoints=NAMES,
            balancer_dns_name=balancer.dns_name,
            balancer_zone_id=balancer.zone_id,
            tags=tags,
        ),
    )


def image(architecture: Architecture, given: AwsSettings) -> pulumi.Input[str]:
    """Return the machine image: the one that the settings name, else its owner's newest Debian 13."""
    if given.image.id:
        return given.image.id
    owner = given.image.owner or given.partition.debian_owner
    assert owner is not None  # noqa: S101 - the settings were refused otherwise; this tells the type checker
    return newest_debian(architecture, owner)
