"""Wires the components: each gets its inputs from the stack and from the components before it.

A component knows its own inputs alone; only this file, `infra.aws.backup_store` and `infra.aws.fleet` know the stack.
"""

from collections.abc import Mapping

from infra import cidrs
from infra.aws import reach
from infra.aws.alarm_rules import balancer_rules
from infra.aws.alarm_topic import AlarmTopic, AlarmTopicArgs
from infra.aws.alarms import Alarms, AlarmsArgs
from infra.aws.backup_store import BackupStore, backup_regions
from infra.aws.encryption_keys import EncryptionKeys, EncryptionKeysArgs
from infra.aws.host import Host
from infra.aws.instance_profile import InstanceProfile, InstanceProfileArgs
from infra.aws.load_balancer import LoadBalancer, LoadBalancerArgs
from infra.aws.network import Network, NetworkArgs
from infra.aws.private_zone import PrivateZone, PrivateZoneArgs
from infra.aws.reach import ConnectEndpointArgs, Way
from infra.aws.secrets import Secrets, SecretsArgs
from infra.aws.security_groups import SecurityGroups, SecurityGroupsArgs
from infra.aws.stack import Stack
from infra.endpoints import NAMES, PORTS
from infra.secret_names import AUTHORITY, SECRETS
from infra.topology import CLUSTER


def encryption_keys(stack: Stack) -> EncryptionKeys:
    """Make the keys: without them nothing else can be encrypted."""
    return EncryptionKeys(
        "encryption",
        EncryptionKeysArgs(
            account_id=stack.account_id,
            region=stack.aws.region,
            partition=stack.aws.partition,
            label=stack.label,
            backup_regions=backup_regions(stack),
            tags=stack.tags,
        ),
    )


def network(stack: Stack, keys: EncryptionKeys) -> Network:
    """Make the network, or the platform's part of one that exists."""
    settings, given = stack.settings, stack.aws
    return Network(
        "network",
        NetworkArgs(
            cidr=str(settings.network),
            zones=cidrs.by_zone(settings.network, settings.zones),
            egress=given.network.egress,
            vpc_id=given.network.vpc_id,
            internet_gateway_id=given.network.internet_gateway_id,
            region=given.region,
            partition=given.partition,
            account_id=stack.account_id,
            log_group=f"/{stack.path}/flow-logs",
            log_key_arn=keys.monitoring_arn,
            tags=stack.tags,
        ),
    )


def security_groups(stack: Stack, network: Network) -> SecurityGroups:
    """Say who may talk to whom."""
    settings, given = stack.settings, stack.aws
    return SecurityGroups(
        "access",
        SecurityGroupsArgs(
            vpc_id=network.vpc_id,
            network=str(settings.network),
            operator=str(settings.operator_network),
            operator_ssh=given.reach.kind != "instance_connect_endpoint",
            clients=[str(client) for client in settings.clients],
            has_service_hosts=bool(stack.topology.service_hosts),
            has_repository_host=stack.topology.repository_host is not None,
            s3_prefix_list_id=network.s3_prefix_list_id,
            has_internet=given.network.egress != "none",
            mirror_port=given.network.mirror_port,
            service_endpoints=network.service_endpoints,
            tags=stack.tags,
        ),
    )


def way_to_hosts(stack: Stack, network: Network, groups: SecurityGroups) -> Way:
    """Say how SSH finds the hosts, and make the endpoint that it goes through where the settings want one."""
    return reach.way_to_hosts(
        stack.aws.reach,
        ConnectEndpointArgs(
            vpc_id=network.vpc_id,
            subnet_id=network.app_subnet_ids[stack.settings.zones[0]],
            host_group_ids=groups.host_ids,
            region=stack.aws.region,
            tags=stack.tags,
        ),
    )


def secrets(stack: Stack, keys: EncryptionKeys) -> Secrets:
    """Make the entries of secrets, without their values."""
    return Secrets(
        "secrets",
        SecretsArgs(
            prefix=stack.path,
            names=[*SECRETS, *AUTHORITY],
            account_id=stack.account_id,
            kms_key_arn=keys.secrets_arn,
            tags=stack.tags,
        ),
    )


def instance_profiles(stack: Stack, backups: BackupStore) -> dict[str, InstanceProfile]:
    """Say what hosts may do in the account, by their kind: database hosts use backups, service hosts nothing."""
    return {
        kind: InstanceProfile(
            kind,
            InstanceProfileArgs(
                label=stack.label,
                description=f"{stack.label}: {kind} hosts",
                buckets=backups.buckets if kind == "database" else [],
                prefix=CLUSTER,
                partition=stack.aws.partition,
                tags=stack.tags,
            ),
        )
        for kind in dict.fromkeys(plan.kind for plan in stack.topology.hosts)
    }


def alarm_topic(stack: Stack, keys: EncryptionKeys) -> AlarmTopic:
    """Make the topic that alarms go to."""
    return AlarmTopic(
        "alarms",
        AlarmTopicArgs(
            alarm_prefix=stack.label,
            partition=stack.aws.partition,
            region=stack.aws.region,
            account_id=stack.account_id,
            kms_key_arn=keys.monitoring_arn,
            emails=stack.aws.alarm_emails,
            tags=stack.tags,
        ),
    )


def load_balancer(stack: Stack, network: Network, groups: SecurityGroups, hosts: Mapping[str, Host]) -> LoadBalancer:
    """Put one address in front of the database hosts that take part in the cluster."""
    return LoadBalancer(
        "nlb",
        LoadBalancerArgs(
            vpc_id=network.vpc_id,
            subnet_ids=list(network.app_subnet_ids.values()),  # it takes any address, and none of a later host's there
            security_group_id=groups.balancer_id,
            ports=PORTS,
            targets={plan.name: hosts[plan.name].instance_id for plan in stack.topology.active_database_hosts},
            tags=stack.tags,
        ),
    )


def balancer_alarms(stack: Stack, balancer: LoadBalancer, topic: AlarmTopic) -> Alarms:
    """Watch whether the balancer has hosts to lead to."""
    rules = balancer_rules(balancer.arn_suffix, balancer.target_group_arn_suffixes)
    return Alarms("nlb", AlarmsArgs(prefix=stack.label, topic_arn=topic.arn, rules=rules, tags=stack.tags))


def private_zone(stack: Stack, network: Network, balancer: LoadBalancer) -> PrivateZone:
    """Name hosts and endpoints."""
    return PrivateZone(
        "names",
        PrivateZoneArgs(
            domain=stack.aws.private_zone,
            vpc_id=network.vpc_id,
            hosts={plan.name: str(plan.address) for plan in stack.topology.hosts},
            endpoints=NAMES,
            balancer_dns_name=balancer.dns_name,
            balancer_zone_id=balancer.zone_id,
            tags=stack.tags,
        ),
    )
