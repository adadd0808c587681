"""What is counted of each resource type that costs something: items, the keys of their prices, and quantities."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dry_run import Resource
from infra.aws.settings import AwsSettings
from infra.settings import Settings

from cost.assumptions import DAYS_PER_MONTH, HOURS_PER_MONTH, Assumptions

# Source: EBS user guide, "General Purpose SSD volumes": what each gp3 volume has without a charge of its own.
GP3_IOPS, GP3_MIBPS = 3000, 125
# Source: CloudWatch pricing page, example "EC2 detailed monitoring": metrics of one instance.
METRICS_OF_AN_INSTANCE = 7
MIB_PER_GIB = 1024
INSTANCE, NAT = "aws:ec2/instance:Instance", "aws:ec2/natGateway:NatGateway"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What the counting of one resource may look at."""

    settings: Settings
    aws: AwsSettings
    assume: Assumptions
    counts: Mapping[str, int]  # of each type

    @property
    def kept_days(self) -> int:
        """For how many days a backup is stored: as long as it is wanted, then as what was deleted."""
        return self.aws.backup.retention_days + self.aws.backup.lock_days

    def region_of(self, resource: Resource) -> str:
        """Return the resource's region: its own or the stack's."""
        return str(resource.inputs.get("region") or self.aws.region)

    def priced_in(self, key: str, resource: Resource) -> str:
        """Return the region whose price it is; the way to another region is the sender's."""
        return self.aws.region if key.startswith("region_traffic.") else self.region_of(resource)


Line = tuple[str, str, float, bool]  # item, price key, quantity, assumed


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
    stored = stack.assume.backup_gib(stack.settings, stack.kept_days)
    yield f"backups of {stack.kept_days} days", "s3.gib", stored, True
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


def lines(resource: Resource, stack: Stack) -> Iterable[Line]:
    """Return what is counted of one resource; nothing of one that is free."""
    count = BILLED.get(resource.type)
    return count(resource, stack) if count else ()
