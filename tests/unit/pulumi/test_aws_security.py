"""Network, tags and parents on AWS."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi_recorder import Recording, record

INGRESS, EGRESS = (f"aws:vpc/securityGroup{way}Rule:SecurityGroup{way}Rule" for way in ("Ingress", "Egress"))
TAGGED = (
    "aws:ec2",
    "aws:ebs",
    "aws:kms",
    "aws:s3/bucket:",
    "aws:iam/role:",
    "aws:iam/instanceProfile:",
    "aws:vpc",
    "aws:secretsmanager",
)
# PostgreSQL, Patroni, etcd, pgBackRest, then pooler and balancers: a host migrates and dumps by any of them.
BETWEEN_DATABASE_HOSTS = (5432, 8008, 2379, 2380, 8432, 6432, 5000, 5001)
GROUP_VARS = Path(__file__).resolve().parents[3] / "ansible/playbooks/group_vars"
UNTAGGED = ("kms/alias", "route:", "routeTableAssociation", "subnetCidrReservation", "volumeAttachment")


def only(recording: Recording, kind: str) -> dict[str, Any]:
    (resource,) = recording.of_type(kind)
    return dict(resource.inputs)


def rules(recording: Recording, kind: str, group: str) -> set[tuple[int, str]]:
    """Return (port, other side) of a group's rules; `group` for the group itself."""
    found = set()
    for rule in recording.of_type(kind):
        if rule.name.startswith(f"access-{group}-"):
            assert rule.inputs["fromPort"] == rule.inputs["toPort"], rule.name
            assert rule.inputs["ipProtocol"] == "tcp"
            assert rule.inputs["description"]
            other = rule.inputs.get("cidrIpv4") or ("s3" if rule.inputs.get("prefixListId") else "group")
            found.add((int(rule.inputs["fromPort"]), other))
    return found


def test_database_hosts_accept_exactly_these_connections(production: Recording) -> None:
    # Clients come by the balancer, whose rules are in test_aws_endpoints.py.
    assert rules(production, INGRESS, "database") == {
        *((port, "group") for port in BETWEEN_DATABASE_HOSTS),
    }


@pytest.mark.parametrize(("group", "hosts"), [("database", "database"), ("service", "cache")])
def test_the_network_lets_through_what_the_hosts_firewall_does(production: Recording, group: str, hosts: str) -> None:
    declared = yaml.safe_load((GROUP_VARS / f"{hosts}.yml").read_text())[f"__{hosts}_firewall_rules"]
    on_hosts = {port for rule in declared for port in rule["ports"]}
    assert {port for port, _ in rules(production, INGRESS, group)} == on_hosts  # SSH: see test_aws_reach


def test_service_hosts_accept_exactly_these_connections(production: Recording) -> None:
    assert rules(production, INGRESS, "service") == {
        (6379, "group"),
        *((6379, network) for network in ("10.20.0.0/16", "10.40.0.0/16", "10.30.0.0/24")),
    }


def test_database_hosts_open_exactly_these_connections(production: Recording) -> None:
    assert rules(production, EGRESS, "database") == {
        (443, "s3"),
        (6379, "group"),
        *((port, "group") for port in BETWEEN_DATABASE_HOSTS),
        *((port, "0.0.0.0/0") for port in (80, 443)),
    }


def test_without_service_hosts_nothing_is_made_for_them() -> None:
    recording = record("staging", services=[])
    kinds = ("aws:ec2/securityGroup:SecurityGroup", INGRESS, EGRESS, "aws:iam/role:Role")
    names = {resource.name for kind in kinds for resource in recording.of_type(kind)}
    assert {"access-database", "reach-database-ssh-in", "database-role"} <= names
    assert not [name for name in names if "service" in name or "cache" in name]


def test_the_group_that_aws_makes_itself_allows_nothing(production: Recording) -> None:
    group = only(production, "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
    assert not group.get("ingress")
    assert not group.get("egress")


def test_everything_says_whose_it_is(production: Recording) -> None:
    for resource in production.resources:
        if resource.type.startswith(TAGGED) and not any(word in resource.type for word in UNTAGGED):
            tags = resource.inputs["tags"]
            expected = {"Project": "freelance-platform", "Environment": "production", "ManagedBy": "pulumi"}
            assert expected.items() <= tags.items(), resource.name


def test_each_resource_belongs_to_a_component(production: Recording) -> None:
    components = {resource.name for resource in production.resources if resource.type.startswith("freelance:")}
    for resource in production.resources:
        if not resource.type.startswith("freelance:"):
            assert resource.parent in components, resource.urn


@pytest.mark.parametrize(
    ("region", "via"),
    [("eu-central-1", "s3.eu-central-1.amazonaws.com"), ("cn-north-1", "s3.cn-north-1.amazonaws.com.cn")],
)
def test_names_follow_the_partition(region: str, via: str) -> None:
    zones = [f"{region}{letter}" for letter in "abc"]
    settings: dict[str, Any] = {
        "aws:region": region,
        "zones": zones,
        "image_id": "ami-0123456789abcdef0",
        "reach": "vpn",
    }
    recording = record("production", **settings)
    policy = json.loads(recording.named("database-backups", "aws:iam/rolePolicy:RolePolicy").inputs["policy"])
    assert policy["Statement"][2]["Condition"]["StringEquals"]["kms:ViaService"] == via
