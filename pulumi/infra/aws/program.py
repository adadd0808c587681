"""The target `aws`: a private network over zones, hosts with volumes that outlive them, a bucket for backups, a key."""

import pulumi
import pulumi_aws as aws

from infra.aws.alarm_rules import host_rules
from infra.aws.alarm_topic import AlarmTopic, AlarmTopicArgs
from infra.aws.alarms import Alarms, AlarmsArgs
from infra import cidrs
from infra.aws.backup_bucket import BackupBucket, BackupBucketArgs
from infra.aws.encryption_key import EncryptionKey, EncryptionKeyArgs
from infra.aws.host import Host, HostArgs
from infra.aws.image import newest_debian
from infra.aws.instance_profile import InstanceProfile, InstanceProfileArgs
from infra.aws.network import Network, NetworkArgs
from infra.aws.security_groups import SecurityGroups, SecurityGroupsArgs
from infra.aws.settings import AwsSettings
from infra.instance_types import instance_type
from infra.settings import Architecture
from infra.target import Declared, DeclaredHost, connect_to
from infra.topology import HostPlan, Topology

CLUSTER = "main"


def declare(topology: Topology) -> Declared:
    """Make the resources and say how the hosts are reached."""
    settings, given = topology.settings, topology.settings.aws
    assert given is not None  # noqa: S101 - the target says so; this tells the type checker
    tags = {"Project": settings.project, "Environment": settings.environment, "ManagedBy": "pulumi"}
    account_id = aws.get_caller_identity_output().account_id
    partition = aws.get_partition_output().partition

    key = EncryptionKey("encryption", EncryptionKeyArgs(account_id=account_id, partition=partition, tags=tags))
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
            log_key_arn=key.arn,
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
    bucket_name = pulumi.Output.concat(f"{settings.project}-{settings.environment}-backup-", account_id)
    backup = BackupBucket("backup", BackupBucketArgs(bucket=bucket_name, kms_key_arn=key.arn, tags=tags))
    profile = InstanceProfile(
        "database",
        InstanceProfileArgs(bucket_arn=backup.arn, prefix=CLUSTER, kms_key_arn=key.arn, region=given.region, tags=tags),
    )
    image_id = image(settings.architecture, given)
    alarm_prefix = f"{settings.project}-{settings.environment}"
    topic = AlarmTopic(
        "alarms",
        AlarmTopicArgs(
            alarm_prefix=alarm_prefix,
            partition=given.partition,
            region=given.region,
            account_id=account_id,
            kms_key_arn=key.arn,
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
                kms_key_arn=key.arn,
                user=settings.ssh.user,
                public_key=given.public_key,
                profile_name=profile.profile_name if database else None,
                replacing=plan.name in given.replacing_hosts,
                volume_speeds={"data": given.data_speed, "wal": given.wal_speed},
                tags={**tags, "Cluster": CLUSTER} if database else {**tags, "Serves": " ".join(plan.serves)},
            ),
        )
        rules = host_rules(
            plan.name, made.instance_id, made.volumes, partition=given.partition.name, region=given.region
        )
        Alarms(plan.name, AlarmsArgs(prefix=alarm_prefix, topic_arn=topic.arn, rules=rules, tags=tags))
        return made

    secrets = pulumi.Output.format(
        "aws-secretsmanager:arn:{0}:secretsmanager:{1}:{2}:secret:{3}/{4}/",
        partition,
        given.region,
        account_id,
        settings.project,
        settings.environment,
    )
    return Declared(
        architecture=settings.architecture,
        virtual="vm",
        hosts={
            plan.name: DeclaredHost(connect=connect_to(topology, plan), devices=host(plan).devices)
            for plan in topology.hosts
        },
        repository={"type": "s3", "bucket": backup.bucket, "region": given.region, "kms_key_arn": key.arn},
        secret_reference=pulumi.Output.concat(secrets, "{name}"),
        ca_certificate=pulumi.Output.concat(secrets, "ca_certificate"),
        ca_private_key=pulumi.Output.concat(secrets, "ca_private_key"),
    )


def image(architecture: Architecture, given: AwsSettings) -> pulumi.Input[str]:
    """Return the machine image: the one that the settings name, else its owner's newest Debian 13."""
    if given.image.id:
        return given.image.id
    owner = given.image.owner or given.partition.debian_owner
    assert owner is not None  # noqa: S101 - the settings were refused otherwise; this tells the type checker
    return newest_debian(architecture, owner)
