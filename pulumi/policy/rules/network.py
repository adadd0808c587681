"""Who may reach whom."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from policy.model import UNKNOWN, Resource, Stack, differs, elements, look_up, missing
from policy.rule import OURS, resource_rule, stack_rule
from policy.tokens import (
    CONNECT_ENDPOINT,
    DEFAULT_NETWORK_ACL,
    DEFAULT_SECURITY_GROUP,
    FLOW_LOG,
    INSTANCE,
    LAUNCH_TEMPLATE,
    LOAD_BALANCER,
    NETWORK_ACL,
    NETWORK_ACL_RULE,
    NETWORK_INTERFACE,
    SECURITY_GROUP,
    SECURITY_GROUP_EGRESS,
    SECURITY_GROUP_INGRESS,
    SECURITY_GROUP_RULE,
    SUBNET,
    VPC,
    VPC_ENDPOINT,
)

# The shortest prefix of a network that can be somebody's own: 10.0.0.0/8, and a registry's smallest block of IPv6.
SOURCE_PREFIX_MIN = {4: 8, 6: 16}
ADMINISTRATION_PORTS = (22, 3389)
GROUP_USERS = {
    CONNECT_ENDPOINT: "securityGroupIds",
    INSTANCE: "vpcSecurityGroupIds",
    LAUNCH_TEMPLATE: "vpcSecurityGroupIds",
    LOAD_BALANCER: "securityGroups",
    NETWORK_INTERFACE: "securityGroups",
    VPC_ENDPOINT: "securityGroupIds",
}


def anywhere(source: Any) -> bool:
    """Whether a network is so wide that it names nobody."""
    if not isinstance(source, str) or source == "":
        return False
    network = ip_network(source, strict=False)
    return network.prefixlen < SOURCE_PREFIX_MIN[network.version]


@resource_rule(
    SECURITY_GROUP,
    SECURITY_GROUP_INGRESS,
    SECURITY_GROUP_RULE,
    controls=["EC2.13", "EC2.14", "EC2.18", "EC2.19", "CKV_AWS_24", "CKV_AWS_25", OURS],
    remedy="Name the networks of those who need the port (settings `clients` and `operator_network`).",
)
def network_no_ingress_from_anywhere(resource: Resource) -> Iterator[str]:
    """No port is open to a network wider than /8 (IPv6: /16), SSH and RDP least of all."""
    if resource.type == SECURITY_GROUP_RULE and resource.get("type") in ("egress", UNKNOWN):
        return
    inline = resource.type == SECURITY_GROUP
    for rule in elements(resource.get("ingress")) if inline else (resource.inputs,):
        for key in ("cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks"):
            for source in elements(look_up(rule, key)):
                if anywhere(source):
                    yield f"ports {rule.get('fromPort')} to {rule.get('toPort')} are open to {source}"


@resource_rule(
    NETWORK_ACL,
    DEFAULT_NETWORK_ACL,
    NETWORK_ACL_RULE,
    controls=["EC2.21"],
    remedy="Leave network ACLs as AWS makes them, or name the networks; security groups say who may come.",
)
def network_acl_opens_no_administration_port(resource: Resource) -> Iterator[str]:
    """No network ACL that the program makes lets anybody reach ports 22 or 3389."""
    single = resource.type == NETWORK_ACL_RULE
    if single and resource.get("egress") in (True, UNKNOWN):
        return
    for rule in (resource.inputs,) if single else elements(resource.get("ingress")):
        allows = look_up(rule, "ruleAction" if single else "action") == "allow"
        every = look_up(rule, "protocol") in ("-1", "all", -1)
        ports = [port for port in ADMINISTRATION_PORTS if every or _within(rule, port)]
        for source in (look_up(rule, "cidrBlock"), look_up(rule, "ipv6CidrBlock")):
            if allows and ports and anywhere(source):
                yield f"port {ports[0]} is open to {source}"


def _within(rule: Any, port: int) -> bool:
    limits = look_up(rule, "fromPort"), look_up(rule, "toPort")
    return UNKNOWN not in limits and None not in limits and limits[0] <= port <= limits[1]


@resource_rule(
    SECURITY_GROUP,
    SECURITY_GROUP_INGRESS,
    SECURITY_GROUP_EGRESS,
    SECURITY_GROUP_RULE,
    controls=["CKV_AWS_23"],
    remedy="Set a description: who, and what for.",
)
def network_rules_say_what_for(resource: Resource) -> Iterator[str]:
    """Each security group and each of its rules says what it is for."""
    default = "Managed by Pulumi"  # the provider's, where none is given
    for value in (resource.inputs, *elements(resource.get("ingress")), *elements(resource.get("egress"))):
        yield from missing(value, "description")
        if look_up(value, "description") == default:
            yield f"description is {default!r}"


@resource_rule(
    DEFAULT_SECURITY_GROUP,
    controls=["EC2.2", "CKV2_AWS_12"],
    remedy="Leave out ingress and egress.",
)
def network_default_group_is_empty(group: Resource) -> Iterator[str]:
    """The group that AWS attaches where none is named allows nothing."""
    for key in ("ingress", "egress"):
        if count := len(elements(group.get(key))):
            yield f"{key} has {count} rules"


@stack_rule(
    controls=["EC2.2", "CKV2_AWS_12"],
    remedy="Declare a DefaultSecurityGroup without rules for it.",
)
def network_default_group_is_taken_over(stack: Stack) -> Iterator[tuple[Resource, str]]:
    """Each network's default group is the program's, so that it stays empty."""
    for vpc in stack.of_type(VPC):
        if not stack.companions(DEFAULT_SECURITY_GROUP, "vpcId", vpc):
            yield vpc, "no DefaultSecurityGroup"


@stack_rule(
    controls=["EC2.6", "CKV2_AWS_11"],
    remedy="Declare a FlowLog with traffic_type='ALL' (or 'REJECT') for it.",
)
def network_flow_logs(stack: Stack) -> Iterator[tuple[Resource, str]]:
    """Each network that the program makes logs its connections, refused ones at least."""
    for vpc in stack.of_type(VPC):
        logs = stack.companions(FLOW_LOG, "vpcId", vpc)
        if not logs:
            yield vpc, "no FlowLog"
        elif all(log.get("trafficType") == "ACCEPT" for log in logs):
            yield vpc, "FlowLog with trafficType 'ACCEPT' alone"


@resource_rule(
    SUBNET,
    controls=["EC2.15", "CKV_AWS_130"],
    remedy="Set map_public_ip_on_launch=False; a NAT gateway brings an address of its own.",
)
def network_subnets_give_no_public_address(subnet: Resource) -> Iterator[str]:
    """No subnet gives what starts in it a public address."""
    yield from differs(subnet, "mapPublicIpOnLaunch", None, False)
    yield from differs(subnet, "assignIpv6AddressOnCreation", None, False)


@stack_rule(
    controls=["CKV2_AWS_5"],
    remedy="Attach it or take it away: an unused group is taken by the next who looks for one.",
)
def network_groups_are_in_use(stack: Stack) -> Iterator[tuple[Resource, str]]:
    """Each security group is attached to something."""
    users = stack.of_type(*GROUP_USERS)
    for group in stack.of_type(SECURITY_GROUP):
        if not any(stack.refers(user, GROUP_USERS[user.type], group) for user in users):
            yield group, "attached to nothing"


@resource_rule(
    VPC_ENDPOINT,
    controls=[OURS],
    remedy="Set a policy that names buckets, or binds callers and buckets to the account (aws:ResourceAccount).",
)
def network_gateway_endpoint_has_a_policy(endpoint: Resource) -> Iterator[str]:
    """A gateway endpoint leads to named buckets: else a host could carry data to anybody's."""
    if endpoint.get("vpcEndpointType") in (None, "Gateway"):
        yield from missing(endpoint, "policy")


@resource_rule(
    CONNECT_ENDPOINT,
    controls=[OURS],
    remedy="Set security_group_ids to a group that reaches port 22 of the hosts alone.",
)
def network_connect_endpoint_has_its_own_group(endpoint: Resource) -> Iterator[str]:
    """The endpoint for SSH has a security group of its own, not the network's default."""
    yield from missing(endpoint, "securityGroupIds")
