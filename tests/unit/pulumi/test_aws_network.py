"""The network on AWS: subnets, the ways out of them, what may use these, and what is written down about it."""

import json
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from aws_inventions import new_id
from pulumi_recorder import Recording, record

ACCOUNT = "123456789012"
ANYWHERE = "0.0.0.0/0"
ZONES = [f"eu-central-1{letter}" for letter in "abc"]
VPC, DEFAULT_GROUP = "aws:ec2/vpc:Vpc", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
SUBNET, ENDPOINT = "aws:ec2/subnet:Subnet", "aws:ec2/vpcEndpoint:VpcEndpoint"
TABLE, ROUTE = "aws:ec2/routeTable:RouteTable", "aws:ec2/route:Route"
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
GATEWAY, NAT, ADDRESS = "aws:ec2/internetGateway:InternetGateway", "aws:ec2/natGateway:NatGateway", "aws:ec2/eip:Eip"
RESERVATION = "aws:ec2/subnetCidrReservation:SubnetCidrReservation"
FLOW_LOG, LOG_GROUP = "aws:ec2/flowLog:FlowLog", "aws:cloudwatch/logGroup:LogGroup"
ROLE, ROLE_POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
INGRESS, EGRESS = (f"aws:vpc/securityGroup{way}Rule:SecurityGroup{way}Rule" for way in ("Ingress", "Egress"))
GROUP = "aws:ec2/securityGroup:SecurityGroup"
TAGS = {"Project": "freelance-platform", "Environment": "production", "ManagedBy": "pulumi"}
INSTANCE = "aws:ec2/instance:Instance"
MIRROR: dict[str, Any] = {"egress": "none", "apt_mirror": "http://mirror.example.internal:3142/debian"}
EXISTING: dict[str, Any] = {"vpc_id": "vpc-0123456789abcdef0"}
EXISTING_GATEWAY: dict[str, Any] = {**EXISTING, "internet_gateway_id": "igw-0123456789abcdef0"}


@pytest.fixture(scope="module")
def single() -> Recording:
    return record("production", egress="nat_single")


@pytest.fixture(scope="module")
def closed() -> Recording:
    return record("production", **MIRROR)


@pytest.fixture(scope="module")
def existing() -> Recording:
    return record("production", **EXISTING_GATEWAY)


def declares(recording: Recording, *kinds: str) -> bool:
    return any(resource.type in kinds for resource in recording.resources)


def ids(recording: Recording, kind: str) -> dict[str, str]:
    """Return the id of each resource of a type by its name."""
    return {found.name: new_id(kind, found.urn, None) for found in recording.of_type(kind)}


def way_out(recording: Recording, subnet: str) -> str | None:
    """Return the name of the gateway to which a subnet's default route leads, None without one."""
    table = recording.named(subnet, ASSOCIATION).inputs["routeTableId"]
    routes = [resource.inputs for resource in recording.resources if resource.type == ROUTE]
    found = [route for route in routes if route["routeTableId"] == table]
    assert all(route["destinationCidrBlock"] == ANYWHERE for route in found)
    names = {
        identity: name
        for kind in (NAT, GATEWAY)
        if declares(recording, kind)
        for name, identity in ids(recording, kind).items()
    }
    ways = [route.get("natGatewayId") or route["gatewayId"] for route in found]
    assert len(ways) <= 1
    return names.get(ways[0], ways[0]) if ways else None


def private_subnets(recording: Recording) -> list[str]:
    return [s.name for s in recording.of_type(SUBNET) if not s.name.startswith("network-internet-public-")]


def only_statement(policy: str) -> Mapping[str, Any]:
    (statement,) = json.loads(policy)["Statement"]
    return dict(statement)


def outward(recording: Recording, group: str) -> set[tuple[int, str]]:
    """Return (port, other side) of what hosts of a group may open beside their own cluster."""
    groups = {identity: name for name, identity in ids(recording, GROUP).items()}
    found = set()
    for rule in recording.of_type(EGRESS):
        if rule.name.startswith(f"access-{group}-"):
            other = groups.get(rule.inputs.get("referencedSecurityGroupId", ""))
            found.add((int(rule.inputs["fromPort"]), other or rule.inputs.get("cidrIpv4", "s3")))
    return {(port, other) for port, other in found if not other.startswith("access-")}


def test_each_zone_has_its_own_part_of_the_network(production: Recording) -> None:
    assert {s.name: (s.inputs["availabilityZone"], s.inputs["cidrBlock"]) for s in production.of_type(SUBNET)} == {
        "network-database-eu-central-1a": ("eu-central-1a", "10.20.0.0/20"),
        "network-internet-public-eu-central-1a": ("eu-central-1a", "10.20.64.0/20"),
        "network-app-eu-central-1a": ("eu-central-1a", "10.20.128.0/19"),
        "network-database-eu-central-1b": ("eu-central-1b", "10.20.16.0/20"),
        "network-internet-public-eu-central-1b": ("eu-central-1b", "10.20.80.0/20"),
        "network-app-eu-central-1b": ("eu-central-1b", "10.20.160.0/19"),
        "network-database-eu-central-1c": ("eu-central-1c", "10.20.32.0/20"),
        "network-internet-public-eu-central-1c": ("eu-central-1c", "10.20.96.0/20"),
        "network-app-eu-central-1c": ("eu-central-1c", "10.20.192.0/19"),
    }


def test_no_subnet_gives_out_public_addresses(production: Recording) -> None:
    assert all(subnet.inputs["mapPublicIpOnLaunch"] is False for subnet in production.of_type(SUBNET))


def test_hosts_lie_in_the_database_subnet_of_their_zone(production: Recording) -> None:
    subnet_ids = ids(production, SUBNET)
    hosts = {
        h["name"]: h for h in (*production.contract["clusters"]["main"]["hosts"], *production.contract["services"])
    }
    for instance in production.of_type(INSTANCE):
        zone = hosts[instance.parent]["zone"]
        assert instance.inputs["subnetId"] == subnet_ids[f"network-database-{zone}"]


def test_no_balancer_or_endpoint_can_take_a_hosts_address(production: Recording) -> None:
    reserved = {r.inputs["subnetId"]: r.inputs for r in production.of_type(RESERVATION)}
    for instance in production.of_type(INSTANCE):
        reservation = reserved[instance.inputs["subnetId"]]
        assert reservation["reservationType"] == "explicit"
        assert IPv4Address(instance.inputs["privateIp"]) in IPv4Network(reservation["cidrBlock"])


def test_each_zone_goes_out_through_a_nat_gateway_of_its_own(production: Recording) -> None:
    subnet_ids, address_ids = ids(production, SUBNET), ids(production, ADDRESS)
    for zone in ZONES:
        assert way_out(production, f"network-database-{zone}") == f"network-internet-nat-{zone}"
        assert way_out(production, f"network-app-{zone}") == f"network-internet-nat-{zone}"
        assert way_out(production, f"network-internet-public-{zone}") == "network-internet-gateway"
        nat = production.named(f"network-internet-nat-{zone}", NAT).inputs
        assert nat["subnetId"] == subnet_ids[f"network-internet-public-{zone}"]
        assert nat["allocationId"] == address_ids[f"network-internet-nat-{zone}"]
    assert all(address.inputs["domain"] == "vpc" for address in production.of_type(ADDRESS))


def test_a_nat_gateway_is_made_when_the_vpc_has_its_way_out(production: Recording) -> None:
    route = production.named("network-internet-public", ROUTE)
    assert all(route.urn in production.before(nat) for nat in production.of_type(NAT))


def test_addresses_are_reserved_before_anything_can_take_them(production: Recording) -> None:
    reservations = {reservation.urn for reservation in production.of_type(RESERVATION)}
    for instance in production.of_type(INSTANCE):
        assert reservations & production.before(instance), instance.urn


def test_one_nat_gateway_serves_all_zones_where_that_is_chosen(single: Recording) -> None:
    assert list(ids(single, NAT)) == list(ids(single, ADDRESS)) == ["network-internet-nat-eu-central-1a"]
    assert {way_out(single, subnet) for subnet in private_subnets(single)} == {"network-internet-nat-eu-central-1a"}
    assert len(private_subnets(single)) == 6
    public = set(ids(single, SUBNET)) - set(private_subnets(single))
    assert public == {"network-internet-public-eu-central-1a"}


def test_nothing_leads_out_of_a_closed_network(closed: Recording) -> None:
    assert not declares(closed, GATEWAY, NAT, ADDRESS, ROUTE)
    assert all(way_out(closed, subnet) is None for subnet in ids(closed, SUBNET))
    assert sorted(ids(closed, SUBNET)) == sorted(private_subnets(closed))


def test_another_egress_moves_neither_subnets_nor_route_tables(
    production: Recording, single: Recording, closed: Recording
) -> None:
    for kind in (SUBNET, TABLE, ASSOCIATION):
        inputs = [{n: r.named(n, kind).inputs for n in ids(closed, kind)} for r in (production, single, closed)]
        assert inputs[0] == inputs[1] == inputs[2]


def test_hosts_reach_the_web_by_nat_and_nothing_else(production: Recording) -> None:
    web = {(80, ANYWHERE), (443, ANYWHERE)}
    assert outward(production, "database") == {*web, (443, "s3")}
    assert outward(production, "service") == web


def test_hosts_of_a_closed_network_reach_the_mirror_and_aws_alone(closed: Recording) -> None:
    inside = {(3142, "10.20.0.0/16"), (3142, "10.30.0.0/24"), (443, "network-endpoints")}
    assert outward(closed, "database") == {*inside, (443, "s3")}
    assert outward(closed, "service") == inside


def test_a_baked_image_needs_no_mirror() -> None:
    recording = record("production", egress="none", image_id="ami-0123456789abcdef0")
    assert outward(recording, "service") == {(443, "network-endpoints")}


@pytest.mark.parametrize(
    ("mirror", "port"), [("http://mirror.internal/debian", 80), ("https://mirror.internal/debian", 443)]
)
def test_a_mirror_has_its_schemes_port(mirror: str, port: int) -> None:
    recording = record("production", egress="none", apt_mirror=mirror)
    assert {side for at, side in outward(recording, "service") if at == port} >= {"10.20.0.0/16", "10.30.0.0/24"}


def test_nothing_comes_in_from_the_internet(production: Recording, closed: Recording, existing: Recording) -> None:
    for recording in (production, closed, existing):
        assert all(rule.inputs.get("cidrIpv4") != ANYWHERE for rule in recording.of_type(INGRESS))
        assert not any("ingress" in group.inputs for group in recording.of_type(GROUP))


def test_the_gateway_of_s3_serves_the_accounts_own_buckets_to_its_own_principals(production: Recording) -> None:
    endpoint = production.named("network-s3", ENDPOINT).inputs
    assert (endpoint["serviceName"], endpoint["vpcEndpointType"]) == ("com.amazonaws.eu-central-1.s3", "Gateway")
    statement = only_statement(endpoint["policy"])
    assert statement["Effect"] == "Allow"
    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": ACCOUNT, "aws:ResourceAccount": ACCOUNT}}
    private = {i for name, i in ids(production, TABLE).items() if name.startswith("network-private-")}
    assert set(endpoint["routeTableIds"]) == private
    assert len(private) == len(ZONES)


def test_a_closed_network_has_endpoints_of_the_services_that_hosts_call(closed: Recording) -> None:
    interfaces = {e.name: e.inputs for e in closed.of_type(ENDPOINT) if e.inputs["vpcEndpointType"] == "Interface"}
    services = ("ssm", "ssmmessages", "ec2messages", "kms", "secretsmanager", "logs")
    assert {i["serviceName"] for i in interfaces.values()} == {f"com.amazonaws.eu-central-1.{s}" for s in services}
    subnet_ids = ids(closed, SUBNET)
    for inputs in interfaces.values():
        assert inputs["privateDnsEnabled"] is True
        assert set(inputs["subnetIds"]) == {subnet_ids[f"network-app-{zone}"] for zone in ZONES}
        assert inputs["securityGroupIds"] == [ids(closed, GROUP)["network-endpoints"]]
        assert only_statement(inputs["policy"])["Condition"] == {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}


def test_endpoints_answer_the_network_alone_and_open_nothing(closed: Recording) -> None:
    group = ids(closed, GROUP)["network-endpoints"]
    (rule,) = [r.inputs for r in closed.of_type(INGRESS) if r.inputs["securityGroupId"] == group]
    assert (rule["cidrIpv4"], rule["fromPort"], rule["toPort"], rule["ipProtocol"]) == ("10.20.0.0/16", 443, 443, "tcp")
    assert not [r for r in closed.of_type(EGRESS) if r.inputs["securityGroupId"] == group]


def test_nat_leaves_only_the_gateway_of_s3(production: Recording) -> None:
    assert list(ids(production, ENDPOINT)) == ["network-s3"]


def test_all_traffic_of_the_vpc_is_written_down_encrypted_for_a_year(production: Recording) -> None:
    (log,) = production.of_type(FLOW_LOG)
    assert (log.inputs["trafficType"], log.inputs["vpcId"]) == ("ALL", ids(production, VPC)["network-vpc"])
    group = production.named("network-flow-logs-group", LOG_GROUP)
    assert group.inputs["name"] == "/freelance-platform/production/flow-logs"
    assert group.retain  # the months that a law asks for do not end with the stack
    assert group.inputs["kmsKeyId"].startswith(f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/")
    assert group.inputs["retentionInDays"] == 365
    assert log.inputs["logDestination"] == group_arn(production)


def test_only_this_accounts_flow_logs_take_the_role_and_write_their_group_alone(production: Recording) -> None:
    trust = only_statement(production.named("network-flow-logs-role", ROLE).inputs["assumeRolePolicy"])
    assert trust["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:ec2:eu-central-1:{ACCOUNT}:vpc-flow-log/*"},
    }
    allowed = only_statement(production.named("network-flow-logs-delivery", ROLE_POLICY).inputs["policy"])
    assert allowed["Action"] == ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    assert allowed["Resource"] == [group_arn(production), f"{group_arn(production)}:*"]


def group_arn(recording: Recording) -> str:
    return f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:{ids(recording, LOG_GROUP)['network-flow-logs-group']}"


def test_an_existing_vpc_keeps_what_is_in_it(existing: Recording) -> None:
    assert not declares(existing, VPC, DEFAULT_GROUP, GATEWAY)
    assert {r.inputs["vpcId"] for r in existing.resources if "vpcId" in r.inputs} == {EXISTING["vpc_id"]}
    assert way_out(existing, "network-internet-public-eu-central-1a") == EXISTING_GATEWAY["internet_gateway_id"]
    assert way_out(existing, "network-database-eu-central-1a") == "network-internet-nat-eu-central-1a"


def test_in_an_existing_vpc_the_platforms_own_traffic_alone_is_written_down(existing: Recording) -> None:
    logs = [log.inputs for log in existing.of_type(FLOW_LOG)]
    assert not any("vpcId" in log for log in logs)
    own = {i for name, i in ids(existing, SUBNET).items() if name in private_subnets(existing)}
    assert {log["subnetId"] for log in logs} == own


def test_an_existing_vpc_may_be_closed() -> None:
    recording = record("production", **EXISTING, **MIRROR)
    assert not declares(recording, VPC, GATEWAY, NAT)
    assert "network-endpoints-kms" in ids(recording, ENDPOINT)


def test_each_part_of_the_network_belongs_to_its_component(closed: Recording, production: Recording) -> None:
    for recording in (closed, production):
        for resource in recording.resources:
            for part in ("network-internet", "network-endpoints", "network-flow-logs"):
                if resource.name.startswith(part):
                    component = resource.type.startswith("freelance:network:")
                    assert resource.parent == ("network" if component else part), resource.urn


@pytest.mark.parametrize("name", ["single", "closed", "existing"])
def test_everything_says_whose_it_is(name: str, request: pytest.FixtureRequest) -> None:
    untagged = (ROUTE, ASSOCIATION, RESERVATION, ROLE_POLICY)
    for resource in request.getfixturevalue(name).resources:
        if resource.name.startswith("network") and resource.type.startswith("aws:") and resource.type not in untagged:
            assert resource.inputs["tags"].items() >= TAGS.items(), resource.urn


def test_china_has_its_own_arns_and_the_same_names_of_these_services() -> None:
    zones = [f"cn-northwest-1{letter}" for letter in "abc"]
    image: dict[str, Any] = {"image_id": "ami-0123456789abcdef0", "reach": "vpn"}
    recording = record("production", **{"aws:region": "cn-northwest-1", "zones": zones, **image, **MIRROR})
    services = {endpoint.inputs["serviceName"] for endpoint in recording.of_type(ENDPOINT)}
    assert services >= {"com.amazonaws.cn-northwest-1.s3", "com.amazonaws.cn-northwest-1.kms"}
    assert all(service.startswith("com.amazonaws.cn-northwest-1.") for service in services)
    trust = only_statement(recording.named("network-flow-logs-role", ROLE).inputs["assumeRolePolicy"])
    assert trust["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert trust["Condition"]["ArnLike"] == {"aws:SourceArn": f"arn:aws-cn:ec2:cn-northwest-1:{ACCOUNT}:vpc-flow-log/*"}
