"""How SSH reaches hosts on AWS: no port 22 is open to anybody but the way that the settings choose."""

import shlex
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pulumi_recorder import Recording, Resource, record

from tests.loading import load

ROOT = Path(__file__).resolve().parents[3]
INGRESS, EGRESS = (f"aws:vpc/securityGroup{way}Rule:SecurityGroup{way}Rule" for way in ("Ingress", "Egress"))
INSTANCE = "aws:ec2/instance:Instance"
ENDPOINT = "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint"
OPERATOR = "10.30.0.0/24"
BASTION = "jump@bastion.example:2222"


@pytest.fixture(scope="module")
def by_endpoint() -> Recording:
    return record("production", reach="instance_connect_endpoint")


@pytest.fixture(scope="module")
def by_bastion() -> Recording:
    return record("production", reach="bastion", bastion=BASTION)


@pytest.fixture(scope="module")
def directly() -> Recording:
    return record("production", reach="vpn")


@pytest.fixture(scope="module")
def plugin() -> ModuleType:
    return load(ROOT / "ansible/plugins/inventory/pulumi_stack.py", "pulumi_stack_of_reach")


def ssh_rules(recording: Recording, kind: str) -> list[Resource]:
    return [
        rule for rule in recording.of_type(kind) if int(rule.inputs["fromPort"]) <= 22 <= int(rule.inputs["toPort"])
    ]


def connects(recording: Recording) -> list[dict[str, Any]]:
    contract = recording.contract
    hosts = [*contract["services"], *(host for cluster in contract["clusters"].values() for host in cluster["hosts"])]
    assert len(hosts) == 4
    return [host["connect"] for host in hosts]


def test_the_endpoint_is_the_only_source_of_ssh(by_endpoint: Recording) -> None:
    (endpoint,) = by_endpoint.of_type(ENDPOINT)
    (group,) = endpoint.inputs["securityGroupIds"]
    ingress = ssh_rules(by_endpoint, INGRESS)
    assert {(rule.inputs["referencedSecurityGroupId"], rule.inputs.get("cidrIpv4")) for rule in ingress} == {
        (group, None)
    }
    hosts = {rule.inputs["securityGroupId"] for rule in ingress}
    attached = {group for host in by_endpoint.of_type(INSTANCE) for group in host.inputs["vpcSecurityGroupIds"]}
    assert hosts == attached
    assert group not in attached


def test_the_endpoint_reaches_ssh_of_the_hosts_and_nothing_else(by_endpoint: Recording) -> None:
    (endpoint,) = by_endpoint.of_type(ENDPOINT)
    (group,) = endpoint.inputs["securityGroupIds"]
    own = [rule for rule in by_endpoint.of_type(EGRESS) if rule.inputs["securityGroupId"] == group]
    hosts = {rule.inputs["securityGroupId"] for rule in ssh_rules(by_endpoint, INGRESS)}
    assert {rule.inputs["referencedSecurityGroupId"] for rule in own} == hosts
    assert {(rule.inputs["ipProtocol"], rule.inputs["fromPort"], rule.inputs["toPort"]) for rule in own} == {
        ("tcp", 22, 22)
    }
    assert not any("cidrIpv4" in rule.inputs for rule in own)
    assert not [rule for rule in by_endpoint.of_type(INGRESS) if rule.inputs["securityGroupId"] == group]


def test_there_is_one_endpoint_that_hides_the_client_and_is_replaced_in_its_place(by_endpoint: Recording) -> None:
    (endpoint,) = by_endpoint.of_type(ENDPOINT)
    assert endpoint.inputs["preserveClientIp"] is False
    assert endpoint.delete_before_replace
    assert endpoint.inputs["tags"].items() >= {"Environment": "production", "ManagedBy": "pulumi"}.items()


def test_hosts_wait_for_the_endpoint(by_endpoint: Recording, directly: Recording) -> None:
    (endpoint,) = by_endpoint.of_type(ENDPOINT)
    for host in by_endpoint.of_type(INSTANCE):
        assert endpoint.urn in by_endpoint.before(host), host.name
    assert not [resource for resource in directly.resources if resource.type == ENDPOINT]


def test_the_contract_leads_through_the_endpoint(by_endpoint: Recording) -> None:
    for connect in connects(by_endpoint):
        words = shlex.split(connect["proxy_command"])
        assert words[:3] == ["aws", "ec2-instance-connect", "open-tunnel"]
        options = dict(zip(words[3::2], words[4::2], strict=True))
        identity = options["--instance-connect-endpoint-id"]
        assert identity.startswith("eice-")
        assert options == {
            "--region": "eu-central-1",
            "--instance-connect-endpoint-id": identity,
            "--instance-connect-endpoint-dns-name": f"{identity}.endpoint.example",
            "--private-ip-address": "%h",
            "--remote-port": "%p",
        }


@pytest.mark.parametrize("way", ["by_bastion", "directly"])
def test_without_the_endpoint_ssh_comes_from_the_operators_network_alone(
    way: str, request: pytest.FixtureRequest
) -> None:
    recording: Recording = request.getfixturevalue(way)
    assert not [resource for resource in recording.resources if resource.type == ENDPOINT]
    ingress = ssh_rules(recording, INGRESS)
    assert {rule.inputs.get("cidrIpv4") for rule in ingress} == {OPERATOR}
    hosts = {rule.inputs["securityGroupId"] for rule in ingress}
    assert hosts == {group for host in recording.of_type(INSTANCE) for group in host.inputs["vpcSecurityGroupIds"]}


def test_the_jump_host_is_reached_with_the_same_key_and_known_hosts(by_bastion: Recording, plugin: ModuleType) -> None:
    for connect in connects(by_bastion):
        variables = plugin.connection_variables({"connect": connect})
        argv = ["ssh", "-F", "none", "-G", *shlex.split(variables["ansible_ssh_common_args"]), connect["host"]]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        command = next(line for line in said.splitlines() if line.startswith("proxycommand "))
        # Asked again what the second ssh makes of its own words.
        assert "-W %h:%p" in command
        words = shlex.split(command.removeprefix("proxycommand ").replace("%h:%p", f"{connect['host']}:22"))
        jump = subprocess.run([*words[:1], "-F", "none", "-G", *words[1:]], capture_output=True, text=True, check=True)
        options = dict(line.partition(" ")[::2] for line in jump.stdout.splitlines())
        assert (options["user"], options["hostname"], options["port"]) == ("jump", "bastion.example", "2222")
        # In its words: ssh itself leaves out a key that is not there.
        assert words[words.index("-i") + 1] == str(Path.home() / ".ssh/freelance-platform-production")
        assert options["userknownhostsfile"] == str(ROOT / "inventories/production/known_hosts")
        assert options["stricthostkeychecking"] == "true"
        assert options["identitiesonly"] == "yes"
        assert options["batchmode"] == "yes"


def test_a_command_of_ones_own_is_taken_where_the_network_leads_to_the_hosts(directly: Recording) -> None:
    own = "nc -X connect -x proxy.example:3128 %h %p"
    recording = record("production", reach="vpn", ssh_proxy_command=own)
    assert {connect["proxy_command"] for connect in connects(recording)} == {own}
    assert {connect["proxy_command"] for connect in connects(directly)} == {None}
