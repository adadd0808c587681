"""What alarms look at: that which only AWS sees of a host, its volumes and the balancer in front of the hosts.

How full a disk is, AWS does not see: docs/decisions/0023. Credits of processors
are no subject: no family of `infra.instance_types` lives on them.
"""

from collections.abc import Mapping

import pulumi

from infra.aws.alarms import Formula, Metric, Rule, Statistic
from infra.aws.partitions import Partition
from infra.aws.settings import VolumeSpeed
from infra.aws.volumes import AttachedVolume
from infra.topology import Purpose

MINUTE_SECONDS, FIVE_MINUTES_SECONDS = 60, 300
LONG_PERIODS = 3  # of five minutes: what lasts that long is no checkpoint
USED_PERCENT = 80  # of what is provisioned: there is time left to provision more, which works while it is used
BALANCE_PERCENT = 20  # of the instance's burst: at the end of it the instance falls back to its baseline
# Source: EBS user guide, "I/O characteristics and monitoring": one waiting request for each 1,000 IOPS is best. With
# four times as many, for a quarter of an hour, the volume no longer keeps up.
QUEUE_PER_IOPS = 4 / 1000
MIB_BYTES = 2**20
FASTER_BY_SETTING: tuple[Purpose, ...] = ("data", "wal")  # the others have what gp3 includes
CAUSE = "Find what reads or writes so much (pg_stat_io on a database host)"


def host_rules(
    host: str,
    instance_id: pulumi.Input[str],
    volumes: Mapping[Purpose, AttachedVolume],
    *,
    partition: Partition,
    region: str,
) -> dict[str, Rule]:
    """Return the rules of one host: as many for each host, and for each volume, as for any other."""
    recover = partition.arn("automate", "recover", region=region, account_id="ec2")  # an action of EC2's own
    rules = instance_rules(host, instance_id, recover)
    for purpose, volume in volumes.items():
        rules |= volume_rules(host, purpose, volume.id, volume.speed)
    return rules


def instance_rules(host: str, instance_id: pulumi.Input[str], recover: str) -> dict[str, Rule]:
    """Return the rules of an instance. `recover`: the action that moves it to other hardware, volumes and address."""

    def metric(name: str, statistic: Statistic = "Maximum") -> Metric:
        return Metric(namespace="AWS/EC2", name=name, dimensions={"InstanceId": instance_id}, statistic=statistic)

    return {
        "system-check": Rule(
            of=metric("StatusCheckFailed_System"),
            remedy=f"AWS's hardware under {host} fails; the instance is being moved to other hardware. Make sure that "
            "its cluster has a leader (patronictl list) and that the host comes back; if not, replace it",
            period_seconds=MINUTE_SECONDS,
            periods=2,
            missing="notBreaching",  # a stopped instance reports nothing, and can't be recovered
            first=[recover],
        ),
        "instance-check": Rule(
            of=metric("StatusCheckFailed_Instance"),
            # Told, never rebooted: a host that is slow to answer may still be its cluster's leader.
            remedy=f"{host} doesn't answer, is stopped or gone. Make sure that its cluster has a leader (patronictl "
            "list), then look at the instance's console output; start or replace it",
            period_seconds=MINUTE_SECONDS,
            periods=3,
            # It reports each minute, unless it is stopped or gone. (A new one may sound until its first report.)
            missing="breaching",
        ),
        "volumes-check": Rule(
            of=metric("StatusCheckFailed_AttachedEBS"),
            remedy=f"{host} can't reach its volumes. Switch over if it leads (patronictl), and see AWS's health page",
            period_seconds=MINUTE_SECONDS,
            periods=2,
            missing="notBreaching",  # `instance-check` tells of an instance that reports nothing
        ),
        **{
            key: Rule(
                of=metric(name, "Minimum"),
                remedy=f"{host} uses up its burst of {what}; then it falls back to its baseline. {CAUSE}, or take a "
                "larger size",
                comparison="LessThanThreshold",
                threshold=BALANCE_PERCENT,
                period_seconds=FIVE_MINUTES_SECONDS,  # EC2 user guide: these metrics have no finer period
                periods=LONG_PERIODS,
                missing="notBreaching",  # sizes from 8xlarge on have no burst, so no balance either
            )
            for key, name, what in (
                ("io-balance", "EBSIOBalance%", "disk operations"),
                ("byte-balance", "EBSByteBalance%", "disk throughput"),
            )
        },
    }


def volume_rules(host: str, purpose: Purpose, volume_id: pulumi.Input[str], speed: VolumeSpeed) -> dict[str, Rule]:
    """Return the rules of a volume. Missing data never counts: a volume that is not attached reports nothing."""

    def metric(name: str, statistic: Statistic) -> Metric:
        return Metric(namespace="AWS/EBS", name=name, dimensions={"VolumeId": volume_id}, statistic=statistic)

    def used(what: str, of_period: int, label: str) -> Formula:
        return Formula(
            text=f"100 * (reads + writes) / {of_period}",
            label=label,
            metrics={"reads": metric(f"VolumeRead{what}", "Sum"), "writes": metric(f"VolumeWrite{what}", "Sum")},
        )

    def remedy(setting: str) -> str:
        if purpose not in FASTER_BY_SETTING:
            return CAUSE
        return f"{CAUSE}, or raise {purpose}_volume_{setting}: `pulumi up` does it while the volume is used"

    place = f"{host}'s {purpose} volume"
    return {
        f"{purpose}-stalled": Rule(
            of=metric("VolumeStalledIOCheck", "Maximum"),
            remedy=f"{place} does no I/O. Switch over if {host} leads (patronictl), and see AWS's health page",
            period_seconds=MINUTE_SECONDS,
            periods=2,
            missing="notBreaching",
        ),
        f"{purpose}-queue": Rule(
            of=metric("VolumeQueueLength", "Average"),
            remedy=f"Requests pile up at {place}. {remedy('iops')}",
            threshold=QUEUE_PER_IOPS * speed.iops,
            period_seconds=FIVE_MINUTES_SECONDS,
            periods=LONG_PERIODS,
            missing="notBreaching",
        ),
        f"{purpose}-iops": Rule(
            of=used("Ops", speed.iops * FIVE_MINUTES_SECONDS, f"percent of {speed.iops} IOPS"),
            remedy=f"{place} does nearly all the operations that it is provisioned for. {remedy('iops')}",
            threshold=USED_PERCENT,
            period_seconds=FIVE_MINUTES_SECONDS,
            periods=LONG_PERIODS,
            missing="notBreaching",
        ),
        f"{purpose}-throughput": Rule(
            of=used(
                "Bytes",
                speed.throughput_mibps * MIB_BYTES * FIVE_MINUTES_SECONDS,
                f"percent of {speed.throughput_mibps} MiB/s",
            ),
            remedy=f"{place} moves nearly all that it is provisioned for. {remedy('throughput_mibps')}",
            threshold=USED_PERCENT,
            period_seconds=FIVE_MINUTES_SECONDS,
            periods=LONG_PERIODS,
            missing="notBreaching",
        ),
    }


def balancer_rules(load_balancer: pulumi.Input[str], target_groups: Mapping[str, pulumi.Input[str]]) -> dict[str, Rule]:
    """Return the rules of a network load balancer; it and its target groups, by name, are given by their ARN suffix."""
    rules = {}
    for name, target_group in target_groups.items():
        dimensions = {"LoadBalancer": load_balancer, "TargetGroup": target_group}
        rules[f"{name}-none-healthy"] = Rule(
            of=Metric(namespace="AWS/NetworkELB", name="HealthyHostCount", dimensions=dimensions, statistic="Maximum"),
            remedy=f"No host takes {name} connections. Look at the cluster (patronictl list) and at each host's pooler",
            comparison="LessThanThreshold",
            period_seconds=MINUTE_SECONDS,
            periods=2,
            missing="breaching",  # a balancer reports its targets each minute, unless it is gone
        )
        rules[f"{name}-unhealthy"] = Rule(
            of=Metric(
                namespace="AWS/NetworkELB", name="UnHealthyHostCount", dimensions=dimensions, statistic="Maximum"
            ),
            remedy=f"A host takes no {name} connections. Look at its pooler (systemctl status pgbouncer)",
            period_seconds=MINUTE_SECONDS,
            periods=5,  # a restart of the pooler, or of a host, is over by then
            missing="notBreaching",  # `none-healthy` tells of a balancer that reports nothing
        )
    return rules
