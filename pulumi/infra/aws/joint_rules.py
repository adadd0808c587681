"""What the settings for AWS must hold together with those that every target has: value, limit and remedy."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.aws.bucket_names import stems
from infra.aws.settings_rules import ACCOUNT_DIGITS
from infra.instance_types import choices, instance_type
from infra.limits import PRIVATE_NETWORKS, is_private
from infra.problems import Problem

if TYPE_CHECKING:
    from infra.settings import Settings

BUCKET_NAME_MAX = 63  # Amazon S3 user guide, "General purpose bucket naming rules"
# EBS user guide, "General Purpose SSD volumes", gp3. Newer pages say more; what the older one has always works.
GP3_IOPS = range(3_000, 16_001)
GP3_THROUGHPUT_MIBPS = range(125, 1_001)
GP3_IOPS_PER_GIB = 500
GP3_IOPS_PER_MIBPS = 4
GROUP_RULES_MAX = 60  # VPC user guide, "Amazon VPC quotas", inbound rules per security group
RULES_PER_SOURCE = 3  # in the balancer's group, which has the most: one for each port of the database's endpoints
CLIENTS_MAX = GROUP_RULES_MAX // RULES_PER_SOURCE - 1  # operator_network is a source, too


def problems_with(settings: "Settings") -> Iterator[Problem]:
    """Yield what is wrong between the settings for AWS and the common ones."""
    aws = settings.aws
    if aws is None:
        return
    if not is_private(settings.network):
        finding = f"{settings.network}; a private network is needed: a part of {', '.join(map(str, PRIVATE_NETWORKS))}"
        yield Problem("network", finding, "take one that no office or cloud of yours uses")
    foreign = [zone for zone in settings.zones if not re.fullmatch(re.escape(aws.region) + "[a-z]", zone)]
    if foreign:
        finding = f"{foreign}; zones of aws:region {aws.region} are needed: its name and one letter"
        yield Problem("zones", finding, f"name zones like {aws.region}a")
    label, second = f"{settings.project}-{settings.environment}", aws.backup.second_region
    bucket = max(len(stem) for region in ("", second) for stem in stems(label, region)) + ACCOUNT_DIGITS
    if bucket > BUCKET_NAME_MAX:
        finding = f"{settings.environment!r}; a bucket's name would have {bucket} letters, {BUCKET_NAME_MAX} at most"
        yield Problem("stack", finding, f"name the stack with {bucket - BUCKET_NAME_MAX} letters fewer")
    clients = set(settings.clients) - {settings.operator_network}
    if len(clients) > CLIENTS_MAX:
        finding = (
            f"{len(clients)} networks beside operator_network; {CLIENTS_MAX} at most: each takes {RULES_PER_SOURCE} of "
            f"the {GROUP_RULES_MAX} rules that the balancer's security group may have"
        )
        yield Problem("clients", finding, "join neighbours into larger networks, such as two /24 into a /23")
    if aws.reach.kind != "vpn" and settings.ssh.proxy_command:
        finding = f"{settings.ssh.proxy_command!r}; reach {aws.reach.kind} has a command of its own"
        yield Problem("ssh_proxy_command", finding, "take reach vpn, or pulumi config rm ssh_proxy_command")
    stores = [service.name for service in settings.services if "repository" in service.serves]
    if stores and second:
        finding = f"{second!r} beside the host {stores[0]}, which has the repository; it is possible beside a bucket"
        remedy = "pulumi config rm backup_second_region, or let no service host serve repository"
        yield Problem("backup_second_region", finding, remedy)
    guarded = [name for name in settings.database_host_names if name not in settings.retiring_hosts] + stores
    others = sorted(set(aws.replacing_hosts) - set(guarded))
    if others:
        finding = f"{others}; of the hosts with data that do not retire, {', '.join(guarded)} are possible"
        yield Problem("replacing_hosts", finding, "take the others out of the list (pulumi config rm replacing_hosts)")
    yield from _instance_types(settings)
    for purpose, speed in (("data", aws.data_speed), ("wal", aws.wal_speed)):
        yield from _speed(purpose, getattr(settings, f"{purpose}_volume_gib"), speed.iops, speed.throughput_mibps)


def _instance_types(settings: "Settings") -> Iterator[Problem]:
    sizes = [("database_cores", settings.database_size)]
    sizes += [(f"database_host_sizes.{name}.cores", size) for name, size in settings.database_host_sizes.items()]
    sizes += [(f"services.{service.name}.cores", service.size) for service in settings.services]
    for key, size in sizes:
        if size.cores > 0 and instance_type(size.cores, size.memory_mib, settings.architecture) is None:
            yield Problem(
                key,
                f"{size.cores} with {size.memory_mib} MiB; no {settings.architecture} instance type has these",
                f"take {choices(settings.architecture)}",
            )


def _speed(purpose: str, size_gib: int, iops: int, throughput_mibps: int) -> Iterator[Problem]:
    key = f"{purpose}_volume_iops"
    if iops not in GP3_IOPS:
        yield Problem(key, f"{iops}; gp3 takes {GP3_IOPS[0]} to {GP3_IOPS[-1]}", "take a number between them")
    elif iops > max(GP3_IOPS[0], GP3_IOPS_PER_GIB * size_gib):
        least = -(-iops // GP3_IOPS_PER_GIB)
        finding = f"{iops} on {size_gib} GiB; gp3 takes {GP3_IOPS_PER_GIB} for each GiB at most"
        yield Problem(key, finding, f"take {purpose}_volume_gib {least} or more, or fewer operations")
    key = f"{purpose}_volume_throughput_mibps"
    if throughput_mibps not in GP3_THROUGHPUT_MIBPS:
        finding = f"{throughput_mibps}; gp3 takes {GP3_THROUGHPUT_MIBPS[0]} to {GP3_THROUGHPUT_MIBPS[-1]}"
        yield Problem(key, finding, "take a number between them")
    elif throughput_mibps * GP3_IOPS_PER_MIBPS > iops:
        finding = f"{throughput_mibps} with {iops} operations; gp3 takes a quarter of the operations at most"
        yield Problem(key, finding, f"take {purpose}_volume_iops {throughput_mibps * GP3_IOPS_PER_MIBPS} or more")
