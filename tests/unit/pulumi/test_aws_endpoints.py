"""The way of clients to the database on AWS: balancer, names, and who may come in."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from aws_inventions import new_id
from infra.aws.load_balancer import TCP_IDLE_TIMEOUT_SECONDS
from infra.endpoints import PORTS
from pulumi_recorder import ROOT, Recording, Resource, record

BALANCER, GROUP = "aws:lb/loadBalancer:LoadBalancer", "aws:lb/targetGroup:TargetGroup"
LISTENER, TARGET = "aws:lb/listener:Listener", "aws:lb/targetGroupAttachment:TargetGroupAttachment"
ZONE, RECORD = "aws:route53/zone:Zone", "aws:route53/record:Record"
INSTANCE, SECURITY_GROUP = "aws:ec2/instance:Instance", "aws:ec2/securityGroup:SecurityGroup"
INGRESS, EGRESS = (f"aws:vpc/securityGroup{way}Rule:SecurityGroup{way}Rule" for way in ("Ingress", "Egress"))
CLIENTS = ("10.20.0.0/16", "10.40.0.0/16", "10.30.0.0/24")  # those of the settings, and the operator's
DOMAIN = "production.freelance-platform.internal"
# The provider completes names of balancers and target groups by a dash and seven letters; AWS takes 32 in all.
NAME_MAX = 32 - len("-1234567")


def only(recording: Recording, kind: str) -> Resource:
    (resource,) = recording.of_type(kind)
    return resource


def by_id(recording: Recording, kind: str) -> dict[str, str]:
    """Return id -> name: what other resources refer to."""
    return {new_id(kind, resource.urn, None): resource.name for resource in recording.of_type(kind)}


def targets(recording: Recording) -> set[tuple[str, str]]:
    """Return (target group, instance) of all targets."""
    groups, instances = by_id(recording, GROUP), by_id(recording, INSTANCE)
    found = set()
    for target in recording.of_type(TARGET):
        (group,) = [name for identity, name in groups.items() if target.inputs["targetGroupArn"].endswith(identity)]
        assert target.inputs["port"] == recording.named(group, GROUP).inputs["port"]
        found.add((group, instances[target.inputs["targetId"]]))
    assert len(found) == len(recording.of_type(TARGET))
    return found


def rules(recording: Recording, kind: str, group: str) -> set[tuple[int, str]]:
    """Return (port, network or other group) of a security group's rules."""
    groups = by_id(recording, SECURITY_GROUP)
    return {
        (int(rule.inputs["fromPort"]), rule.inputs.get("cidrIpv4") or groups[rule.inputs["referencedSecurityGroupId"]])
        for rule in recording.of_type(kind)
        if groups[rule.inputs["securityGroupId"]] == group and not rule.inputs.get("prefixListId")
    }


def test_the_balancer_is_inside_the_network_and_stays(production: Recording) -> None:
    balancer = only(production, BALANCER)
    assert balancer.inputs["internal"] is True
    assert balancer.inputs["loadBalancerType"] == "network"
    assert balancer.inputs["enableDeletionProtection"] is True
    assert balancer.protect


def test_a_zone_without_a_host_is_served_by_the_others(production: Recording) -> None:
    assert only(production, BALANCER).inputs["enableCrossZoneLoadBalancing"] is True


def test_the_balancer_stands_in_one_private_subnet_of_each_zone(production: Recording) -> None:
    subnets = {new_id(s.type, s.urn, None): s.inputs for s in production.of_type("aws:ec2/subnet:Subnet")}
    taken = [subnets[identity] for identity in only(production, BALANCER).inputs["subnets"]]
    assert sorted(subnet["availabilityZone"] for subnet in taken) == [f"eu-central-1{zone}" for zone in "abc"]
    assert not [subnet for subnet in taken if subnet["mapPublicIpOnLaunch"]]


def test_only_clients_and_operators_reach_the_balancer(production: Recording) -> None:
    groups = by_id(production, SECURITY_GROUP)
    attached = only(production, BALANCER).inputs["securityGroups"]
    assert [groups[identity] for identity in attached] == ["access-balancer"]
    assert only(production, BALANCER).inputs["enforceSecurityGroupInboundRulesOnPrivateLinkTraffic"] == "on"
    assert rules(production, INGRESS, "access-balancer") == {(port, at) for port in PORTS.values() for at in CLIENTS}


def test_the_balancer_reaches_the_database_hosts_and_nothing_else(production: Recording) -> None:
    assert rules(production, EGRESS, "access-balancer") == {(port, "access-database") for port in PORTS.values()}


def test_clients_reach_a_database_host_by_the_balancer_alone(production: Recording) -> None:
    allowed = rules(production, INGRESS, "access-database")
    for port in PORTS.values():
        assert {at for number, at in allowed if number == port} == {"access-balancer", "access-database"}, port


def test_each_endpoint_is_passed_on_as_it_comes_to_its_own_port(production: Recording) -> None:
    balancer = new_id(BALANCER, only(production, BALANCER).urn, None)
    groups = {int(group.inputs["port"]): group for group in production.of_type(GROUP)}
    listeners = {int(listener.inputs["port"]): listener for listener in production.of_type(LISTENER)}
    assert sorted(groups) == sorted(listeners) == sorted(PORTS.values())
    for port, group in groups.items():
        assert group.inputs["protocol"] == listeners[port].inputs["protocol"] == "TCP"
        assert group.inputs["proxyProtocolV2"] is False
        (action,) = listeners[port].inputs["defaultActions"]
        assert action["type"] == "forward"
        assert action["targetGroupArn"].endswith(new_id(GROUP, group.urn, None))
        assert listeners[port].inputs["loadBalancerArn"].endswith(balancer)


def test_a_host_that_reaches_itself_by_the_balancer_gets_an_answer(production: Recording) -> None:
    assert {group.inputs["preserveClientIp"] for group in production.of_type(GROUP)} == {"false"}


def test_a_change_of_the_leader_makes_no_target_unhealthy(production: Recording) -> None:
    # A target that turns unhealthy has its connections reset, so only the process that takes them is asked.
    for group in production.of_type(GROUP):
        check = group.inputs["healthCheck"]
        assert (check["protocol"], check["port"], check["enabled"]) == ("TCP", "traffic-port", True), group.name
        assert not check.get("path")
        assert check["timeout"] < check["interval"]
        assert group.inputs["targetHealthStates"] == [{"enableUnhealthyConnectionTermination": True}]


def test_a_leaving_host_lets_pooled_clients_move_on_and_long_sessions_end(production: Recording) -> None:
    leaving = {
        int(group.inputs["port"]): (group.inputs["deregistrationDelay"], group.inputs["connectionTermination"])
        for group in production.of_type(GROUP)
    }
    assert leaving == {6432: (120, True), 5000: (3600, False), 5001: (3600, False)}
    renewed = re.search(r'"CONN_MAX_AGE": (\d+)', (ROOT / "files/app/config/databases.py").read_text())
    assert renewed
    assert int(renewed[1]) < leaving[6432][0], "clients that renew their connections would be cut off"


def test_every_active_database_host_is_a_target_of_each_endpoint_and_nothing_else_is(production: Recording) -> None:
    hosts = {f"db{number}-instance" for number in (1, 2, 3)}
    groups = {"nlb-pooled", "nlb-direct", "nlb-read-only-direct"}
    assert targets(production) == {(group, host) for group in groups for host in hosts}
    assert {group.inputs["targetType"] for group in production.of_type(GROUP)} == {"instance"}


def test_a_retiring_host_is_no_target_and_keeps_its_name(production: Recording) -> None:
    recording = record("production", database_hosts=4, retiring_hosts=["db4"])
    assert targets(recording) == {(group, name) for group, name in targets(production)}
    assert recording.named("names-db4", RECORD)


def test_one_host_has_a_balancer_too() -> None:
    recording = record("production", database_hosts=1, zones=["eu-central-1a"])
    assert {host for _, host in targets(recording)} == {"db1-instance"}
    assert len(only(recording, BALANCER).inputs["subnets"]) == 1
    assert recording.contract["clusters"]["main"]["endpoints"]["direct"] == [f"direct.{DOMAIN}:5000"]


def test_the_names_are_known_in_the_network_alone(production: Recording) -> None:
    zone = only(production, ZONE)
    ((vpc, _),) = by_id(production, "aws:ec2/vpc:Vpc").items()
    assert zone.inputs["name"] == DOMAIN
    assert zone.inputs["vpcs"] == [{"vpcId": vpc}]
    assert zone.inputs["forceDestroy"] is False
    assert zone.protect
    # Clients in other VPCs associate them by themselves.
    assert zone.ignore_changes == ("vpcs",)


def test_each_host_has_a_name(production: Recording) -> None:
    cluster = production.contract["clusters"]["main"]
    hosts = [*cluster["hosts"], *production.contract["services"]]
    named = {r.inputs["name"]: r.inputs["records"] for r in production.of_type(RECORD) if r.inputs.get("records")}
    assert named == {f"{host['name']}.{DOMAIN}": [host["address"]] for host in hosts}


def test_the_endpoints_names_lead_to_the_balancer(production: Recording) -> None:
    aliases = {r.inputs["name"]: r.inputs["aliases"] for r in production.of_type(RECORD) if r.inputs.get("aliases")}
    assert sorted(aliases) == [f"{name}.{DOMAIN}" for name in ("direct", "pooled", "read-only")]
    balancer = new_id(BALANCER, only(production, BALANCER).urn, None).removeprefix("net/")
    for name, (alias,) in aliases.items():
        assert alias["name"].startswith(balancer), name
        assert alias["zoneId"]
        assert alias["evaluateTargetHealth"] is True
    zones = {r.inputs["zoneId"] for r in production.of_type(RECORD)}
    assert zones == {new_id(ZONE, only(production, ZONE).urn, None)}


@pytest.mark.parametrize("hosts", [3, 4])
def test_the_contract_has_one_entry_for_each_endpoint(hosts: int) -> None:
    endpoints = record("production", database_hosts=hosts).contract["clusters"]["main"]["endpoints"]
    assert endpoints == {
        "pooled": [f"pooled.{DOMAIN}:6432"],
        "direct": [f"direct.{DOMAIN}:5000"],
        "read_only_direct": [f"read-only.{DOMAIN}:5001"],
        "names": {"pooled": f"pooled.{DOMAIN}", "direct": f"direct.{DOMAIN}", "read_only": f"read-only.{DOMAIN}"},
    }


def test_the_domain_is_the_one_of_the_settings() -> None:
    recording = record("production", private_zone="data.example.internal")
    assert only(recording, ZONE).inputs["name"] == "data.example.internal"
    assert all(r.inputs["name"].endswith(".data.example.internal") for r in recording.of_type(RECORD))
    names = recording.contract["clusters"]["main"]["endpoints"]["names"]
    assert names["direct"] == "direct.data.example.internal"


def test_endpoints_in_china_are_the_same(production: Recording) -> None:
    zones = [f"cn-north-1{letter}" for letter in "abd"]
    chosen: dict[str, Any] = {"aws:region": "cn-north-1", "image_id": "ami-0123456789abcdef0", "reach": "vpn"}
    recording = record("production", zones=zones, **chosen)
    assert targets(recording) == targets(production)
    for kind in (BALANCER, GROUP, LISTENER, ZONE, RECORD):
        assert {r.name for r in recording.of_type(kind)} == {r.name for r in production.of_type(kind)}
    assert recording.contract["clusters"]["main"]["endpoints"] == production.contract["clusters"]["main"]["endpoints"]


def test_hosts_never_use_the_balancer() -> None:
    group_vars = yaml.safe_load((ROOT / "ansible/playbooks/group_vars/database.yml").read_text(encoding="utf-8"))
    (entry,) = group_vars["__database_endpoint_names"]
    assert entry["address"].startswith("127.")
    keys = ("direct", "read_only", "pooled")
    assert entry["names"] == [f"{{{{ platform_endpoints.names.{key} }}}}" for key in keys]


def keepalives() -> Iterator[tuple[str, int]]:
    """Yield whose keepalives come after how many seconds of silence: of all who hold a connection by the balancer."""
    pooler = yaml.safe_load((ROOT / "roles/pgbouncer/vars/main.yml").read_text(encoding="utf-8"))
    assert pooler["__pgbouncer_settings"]["tcp_keepalive"] == 1
    yield "pgbouncer", pooler["__pgbouncer_settings"]["tcp_keepidle"]
    haproxy = (ROOT / "roles/database_endpoint/templates/haproxy.cfg.j2").read_text(encoding="utf-8")
    assert re.search(r"^\s+option clitcpka$", haproxy, re.MULTILINE)
    yield from (("haproxy", int(idle)) for idle in re.findall(r"^\s+clitcpka-idle (\d+)s$", haproxy, re.MULTILINE))
    for file in ("files/app/config/databases.py", "ansible/plugins/filter/connection_card.py"):
        text = (ROOT / file).read_text(encoding="utf-8")
        assert text.count('"keepalives": 1') == text.count('"keepalives_idle"')
        yield from ((file, int(idle)) for idle in re.findall(r'"keepalives_idle": (\d+)', text))


def test_a_silent_session_is_kept_alive_from_both_sides(production: Recording) -> None:
    timeouts = {listener.inputs["tcpIdleTimeoutSeconds"] for listener in production.of_type(LISTENER)}
    assert timeouts == {TCP_IDLE_TIMEOUT_SECONDS} == {350}
    found = list(keepalives())
    assert {name for name, _ in found} >= {"pgbouncer", "haproxy"}
    assert len(found) == 6
    for name, idle_seconds in found:
        assert 0 < idle_seconds < TCP_IDLE_TIMEOUT_SECONDS / 2, name


def test_names_leave_room_for_what_the_provider_adds(production: Recording) -> None:
    for resource in (*production.of_type(BALANCER), *production.of_type(GROUP)):
        assert len(resource.name) <= NAME_MAX, resource.name


def test_endpoints_say_whose_they_are_and_belong_to_a_component(production: Recording) -> None:
    tags: dict[str, Any] = {"Project": "freelance-platform", "Environment": "production", "ManagedBy": "pulumi"}
    for kind in (BALANCER, GROUP, LISTENER, ZONE):
        for resource in production.of_type(kind):
            assert tags.items() <= resource.inputs["tags"].items(), resource.name
    for kind, parent in ((BALANCER, "nlb"), (GROUP, "nlb"), (LISTENER, "nlb"), (TARGET, "nlb")):
        assert {resource.parent for resource in production.of_type(kind)} == {parent}
    assert {resource.parent for kind in (ZONE, RECORD) for resource in production.of_type(kind)} == {"names"}
