"""What holds for the platform as a whole."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from policy.model import UNKNOWN, Resource, Stack, look_up
from policy.rule import OURS, resource_rule, stack_rule
from policy.rules.ec2 import CLUSTER_TAG, database_hosts
from policy.tokens import INSTANCE, SUBNET, TAGGED

TAGS = ("Environment", "ManagedBy", "Project")
ZONES_WANTED_MAX = 3  # a quorum survives the loss of one of three; more zones add nothing to it


@resource_rule(
    *TAGGED,
    controls=[OURS],
    remedy="Pass the platform's tags on: cost reports, the inventory by tags and cleaning up live on them.",
)
def tags_are_complete(resource: Resource) -> Iterator[str]:
    """Whatever takes tags says whose it is: Project, Environment and ManagedBy."""
    tagged: list[tuple[str, Any]] = [("tags", resource.get("tags"))]
    if resource.type == INSTANCE and resource.get("rootBlockDevice") is not None:
        tagged.append(("rootBlockDevice.tags", resource.get("rootBlockDevice.tags")))
    for place, tags in tagged:
        lacking = [name for name in TAGS if not look_up({"tags": tags}, f"tags.{name}")]
        if tags is not UNKNOWN and lacking:
            yield f"{place} without {', '.join(lacking)}"


@stack_rule(
    controls=[OURS],
    remedy=f"Name {ZONES_WANTED_MAX} zones in the setting `zones`; hosts go round them.",
)
def database_hosts_are_spread(stack: Stack) -> Iterator[tuple[Resource, str]]:
    """Database hosts stand in as many zones as there are hosts, up to three."""
    if any(host.get(f"tags.{CLUSTER_TAG}") is UNKNOWN for host in stack.of_type(INSTANCE)):
        return
    clusters: dict[str, list[Resource]] = defaultdict(list)
    for host in database_hosts(stack):
        clusters[host.inputs["tags"][CLUSTER_TAG]].append(host)
    for cluster, hosts in clusters.items():
        zones = [zone_of(stack, host) for host in hosts]
        wanted = min(ZONES_WANTED_MAX, len(hosts))
        if UNKNOWN not in zones and len(set(zones)) < wanted:
            names = ", ".join(sorted(set(map(str, zones))))
            yield hosts[0], f"cluster {cluster}: {len(hosts)} hosts in {len(set(zones))} of {wanted} zones ({names})"


def zone_of(stack: Stack, host: Resource) -> Any:
    """Return a host's zone: its own input, else its subnet's; UNKNOWN where the subnet is none of the stack's."""
    if own := host.get("availabilityZone"):
        return own
    zones = {
        subnet.get("availabilityZone") for subnet in stack.of_type(SUBNET) if stack.refers(host, "subnetId", subnet)
    }
    return zones.pop() if len(zones) == 1 else UNKNOWN
