"""What each resource type costs: a row in FREE with its reason, or one in BILLED that says what is counted.

A type that is in neither stops the estimate: nobody has decided whether it costs something.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dry_run import Declaration, Resource
from infra.aws.settings import AwsSettings
from infra.settings import Settings

from cost.assumptions import DAYS_PER_MONTH, HOURS_PER_MONTH, Assumptions

# Source: EBS user guide, "General Purpose SSD volumes": what each gp3 volume has without a charge of its own.
GP3_IOPS, GP3_MIBPS = 3000, 125
# Source: CloudWatch pricing page, example "EC2 detailed monitoring": metrics of one instance.
METRICS_OF_AN_INSTANCE = 7
MIB_PER_GIB = 1024
INSTANCE, NAT = "aws:ec2/instance:Instance", "aws:ec2/natGateway:NatGateway"


class UnknownTypeError(Exception):
    """A resource type without a decision about its cost."""


@dataclass(frozen=True, kw_only=True)
class Charge:
    """`quantity` units of the price `key` in a month; `assumed`: it comes from an assumption, not the program."""

    component: str
    item: str
    key: str
    region: str
    quantity: float
    assumed: bool = False


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What the counting of one resource may look at."""

    settings: Settings
    aws: AwsSettings
    assume: Assumptions
    counts: Mapping[str, int]  # of each type

    def region_of(self, resource: Resource) -> str:
        """Return the resource's region: its own or the stack's."""
        return str(resource.inputs.get("region") or self.aws.region)

    def priced_in(self, key: str, resource: Resource) -> str:
        """Return the region whose price it is; the way to another region is the sender's."""
        return self.aws.region if key.startswith("region_traffic.") else self.region_of(resource)


Line = tuple[str, str, float, bool]  # item, price key, quantity, assumed
FREE: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
            "aws:ec2/internetGateway:InternetGateway",
            "aws:ec2/route:Route",
            "aws:ec2/routeTable:RouteTable",
            "aws:ec2/routeTableAssociation:RouteTableAssociation",
            "aws:ec2/securityGroup:SecurityGroup",
            "aws:ec2/subnet:Subnet",
            "aws:ec2/subnetCidrReservation:SubnetCidrReservation",
            "aws:ec2/vpc:Vpc",
            "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        ),
        "the network itself",
    ),
    **dict.fromkeys(
        (
            "aws:iam/instanceProfile:InstanceProfile",
            "aws:iam/role:Role",
            "aws:iam/rolePolicy:RolePolicy",
        ),
        "IAM",
    ),
    **dict.fromkeys(
        (
            "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
            "aws:s3/bucketLogging:BucketLogging",
            "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
            "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
            "aws:s3/bucketPolicy:BucketPolicy",
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            "aws:s3/bucketVersioning:BucketVersioning",
        ),
        "a setting of a bucket; what it holds is counted there",
    ),
    **dict.fromkeys(
        (
            "aws:ec2/volumeAttachment:VolumeAttachment",
            "aws:kms/alias:Alias",
            "aws:lb/listener:Listener",
            "aws:lb/targetGroup:TargetGroup",
            "aws:lb/targetGroupAttachment:TargetGroupAttachment",
            "aws:route53/record:Record",
        ),
        "a part of something that is counted",
    ),
    "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint": "EC2 user guide: no charge for endpoints",
    "aws:sns/topic:Topic": "SNS: no charge for topics",
    "aws:sns/topicPolicy:TopicPolicy": "SNS: no charge for topics",
    "aws:sns/topicSubscription:TopicSubscription": "SNS: 1,000 e-mails a month without charge; alarms are fewer",
}


def _volume(inputs: Mapping[str, Any], what: str) -> Iterable[Line]:
    yield f"{what} volume, gp3", "ebs.gp3.gib", float(inputs["size"]), False
    yield f"{what} volume, IOPS above {GP3_IOPS}", "ebs.gp3.iops", (inputs.get("iops") or GP3_IOPS) - GP3_IOPS, False
    speed = (inputs.get("throughput") or GP3_MIBPS) - GP3_MIBPS
    yield f"{what} volume, MiB/s above {GP3_MIBPS}", "ebs.gp3.mibps", speed, False


def _data_volume(resource: Resource, _: Stack) -> Iterable[Line]:
    purpose = resource.name.removeprefix(f"{resource.owner}-")
    return _volume(resource.inputs, purpose)


def _instance(resource: Resource, _: Stack) -> Iterable[Line]:
    kind = resource.inputs["instanceType"]
    yield f"instance {kind}", f"ec2.{kind}", HOURS_PER_MONTH, False
    root = resource.inputs["rootBlockDevice"]
    yield from _volume({**root, "size": root["volumeSize"]}, "root")
    if resource.inputs.get("monitoring"):
        yield "detailed monitoring", "metric.month", METRICS_OF_AN_INSTANCE, False


def _endpoint(resource: Resource, stack: Stack) -> Iterable[Line]:
    if resource.inputs.get("vpcEndpointType", "Gateway") == "Gateway":
        return  # a route, without charge
    subnets = resource.inputs.get("subnetIds")  # a list, or unknown as long as there is none
    places = len(subnets) if isinstance(subnets, list) else len(stack.settings.zones)
    yield "interface endpoint, each zone", "endpoint.hour", places * HOURS_PER_MONTH, False
    yield "interface endpoint, data", "endpoint.gib", stack.assume.endpoint_gib, True


def _bucket(resource: Resource, stack: Stack) -> Iterable[Line]:
    if "log" in resource.name:
        yield "access logs", "s3.gib", stack.assume.access_log_gib, True
        return
    days = kept_days(stack.aws)
    yield f"backups of {days} days", "s3.gib", stack.assume.backup_gib(stack.settings, days), True
    segments = stack.assume.wal_gib_per_day * DAYS_PER_MONTH * MIB_PER_GIB / stack.assume.wal_segment_mib
    yield "writes of log segments", "s3.put", segments, True
    if (region := stack.region_of(resource)) != stack.aws.region:
        yield "backups to another region", f"region_traffic.{region}", stack.assume.written_gib(stack.settings), True


def _log_group(resource: Resource, stack: Stack) -> Iterable[Line]:
    months = (resource.inputs.get("retentionInDays") or DAYS_PER_MONTH) / DAYS_PER_MONTH
    stored = stack.assume.flow_log_gib_per_host * stack.counts[INSTANCE] * stack.assume.log_stored_share * months
    yield "logs, stored", "log.gib", stored, True


def _flow_log(_: Resource, stack: Stack) -> Iterable[Line]:
    yield "flow logs, taken in", "flow_log.gib", stack.assume.flow_log_gib_per_host * stack.counts[INSTANCE], True


def _nat(_: Resource, stack: Stack) -> Iterable[Line]:
    yield "NAT gateway", "nat.hour", HOURS_PER_MONTH, False
    yield (
        "NAT gateway, data",
        "nat.gib",
        stack.assume.nat_gib_per_host * stack.counts[INSTANCE] / stack.counts[NAT],
        True,
    )


def _balancer(_: Resource, stack: Stack) -> Iterable[Line]:
    yield "network load balancer", "nlb.hour", HOURS_PER_MONTH, False
    yield (
        "network load balancer, capacity",
        "nlb.unit_hour",
        stack.assume.balancer_capacity_units * HOURS_PER_MONTH,
        True,
    )


def _zone(_: Resource, stack: Stack) -> Iterable[Line]:
    yield "zone of names", "route53.zone", 1, False
    yield "lookups of names", "route53.query", stack.assume.name_lookups, True


def _key(_: Resource, stack: Stack) -> Iterable[Line]:
    yield "key", "kms.key", 1, False
    yield "requests to keys", "kms.request", stack.assume.key_requests, True


def _alarm(resource: Resource, _: Stack) -> Iterable[Line]:
    # An alarm over several metrics is charged for each of them.
    metrics = sum("metric" in query for query in resource.inputs.get("metricQueries") or ()) or 1
    yield "alarms", "alarm.month", metrics, False


def _nothing(_: Resource, __: Stack) -> Iterable[Line]:
    return ()


BILLED: Mapping[str, Callable[[Resource, Stack], Iterable[Line]]] = {
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _alarm,
    "aws:ebs/volume:Volume": _data_volume,
    "aws:ec2/eip:Eip": lambda *_: [("public IPv4 address", "ipv4.hour", HOURS_PER_MONTH, False)],
    "aws:ec2/flowLog:FlowLog": _flow_log,
    INSTANCE: _instance,
    NAT: _nat,
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:kms/key:Key": _key,
    "aws:lb/loadBalancer:LoadBalancer": _balancer,
    "aws:route53/zone:Zone": _zone,
    "aws:s3/bucket:Bucket": _bucket,
    "aws:secretsmanager/secret:Secret": lambda *_: [("secrets", "secret.month", 1, False)],
}


def kept_days(aws: AwsSettings) -> int:
    """Return for how many days a backup is stored: as long as it is wanted, then as what was deleted."""
    return aws.backup.retention_days + aws.backup.lock_days


def component_of(owner: str) -> str:
    """Return the component in whose sum an owner's resources go: db1, db2 and db3 are `db`."""
    return re.sub(r"(?<![-\d])\d+$", "", owner)  # a region keeps its number: backup-eu-west-1


def charges(declaration: Declaration, assume: Assumptions) -> list[Charge]:
    """Return what a month of the stack is made of. Raises UnknownTypeError for a type without a decision."""
    unknown = sorted(declaration.types - FREE.keys() - BILLED.keys())
    if unknown:
        raise UnknownTypeError(
            f"nobody has decided what {', '.join(unknown)} costs: add each to FREE or to BILLED in {__file__}"
        )
    counts = Counter(resource.type for resource in declaration.resources)
    stack = Stack(settings=declaration.settings, aws=declaration.aws, assume=assume, counts=counts)
    summed: dict[tuple[str, str, str, str, bool], float] = {}
    for resource in declaration.resources:
        for item, key, quantity, assumed in BILLED.get(resource.type, _nothing)(resource, stack):
            row = (component_of(resource.owner), item, key, stack.priced_in(key, resource), assumed)
            summed[row] = summed.get(row, 0) + quantity
    traffic = assume.cross_zone_gib(declaration.settings)
    # Source: EC2 pricing page, "Data transfer within the same Region": charged in each direction.
    summed[("traffic", "between zones, both directions", "zone_traffic.gib", declaration.aws.region, True)] = (
        2 * traffic
    )
    return [
        Charge(component=component, item=item, key=key, region=region, quantity=quantity, assumed=assumed)
        for (component, item, key, region, assumed), quantity in summed.items()
        if quantity
    ]
