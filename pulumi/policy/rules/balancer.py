"""The balancer in front of the hosts, and names."""

from collections.abc import Iterator

from policy.model import Resource, differs, missing
from policy.rule import OURS, resource_rule
from policy.tokens import LOAD_BALANCER, TARGET_GROUP, ZONE


@resource_rule(LOAD_BALANCER, controls=[OURS], remedy="Set internal=True.")
def balancer_is_internal(balancer: Resource) -> Iterator[str]:
    """The balancer has no public address."""
    yield from differs(balancer, "internal", True)


@resource_rule(
    LOAD_BALANCER,
    controls=["ELB.6", "CKV_AWS_150"],
    remedy="Set enable_deletion_protection=True.",
)
def balancer_is_not_deleted_by_mistake(balancer: Resource) -> Iterator[str]:
    """The balancer can't be deleted by a call: its name is what every client connects to."""
    yield from differs(balancer, "enableDeletionProtection", True)


@resource_rule(LOAD_BALANCER, controls=["CKV_AWS_152"], remedy="Set enable_cross_zone_load_balancing=True.")
def balancer_reaches_each_zone(balancer: Resource) -> Iterator[str]:
    """A client in one zone reaches the hosts of all: else a zone without a healthy host has no database."""
    yield from differs(balancer, "enableCrossZoneLoadBalancing", True)


@resource_rule(
    LOAD_BALANCER,
    controls=[OURS],
    remedy="Set security_groups when it is made: AWS attaches none to a network load balancer later.",
)
def balancer_has_its_own_group(balancer: Resource) -> Iterator[str]:
    """The balancer's own security group says which networks of clients may come."""
    yield from missing(balancer, "securityGroups")


@resource_rule(TARGET_GROUP, controls=[OURS], remedy="Set preserve_client_ip=False.")
def balancer_hides_the_clients_address(group: Resource) -> Iterator[str]:
    """Hosts see the balancer's address: a host that reaches itself through it would wait for ever."""
    yield from differs(group, "preserveClientIp", False, "false")


@resource_rule(ZONE, controls=[OURS], remedy="Name the VPC in vpcs.")
def names_are_private(zone: Resource) -> Iterator[str]:
    """Names of hosts and endpoints are known in the platform's network alone."""
    yield from missing(zone, "vpcs")
