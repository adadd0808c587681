"""Hosts and volumes on AWS: what would hurt if it were otherwise."""

import json

import pytest
from infra.instance_types import instance_type
from pulumi_recorder import PUBLIC_KEY, Recording, record

INSTANCE, VOLUME, KEY = "aws:ec2/instance:Instance", "aws:ebs/volume:Volume", "aws:kms/key:Key"
ATTACHMENT = "aws:ec2/volumeAttachment:VolumeAttachment"


def test_each_volume_is_encrypted_with_the_platforms_key(production: Recording) -> None:
    for volume in production.of_type(VOLUME):
        assert volume.inputs["encrypted"] is True
        assert volume.inputs["kmsKeyId"].startswith("arn:aws:kms:eu-central-1:123456789012:key/")
        assert volume.inputs["type"] == "gp3"


def test_volumes_outlive_their_host(production: Recording) -> None:
    volumes = production.of_type(VOLUME)
    assert sorted(volume.name for volume in volumes) == sorted(
        f"db{number}-{purpose}" for number in (1, 2, 3) for purpose in ("data", "wal", "etcd")
    )
    assert all(volume.protect and volume.retain for volume in volumes)


def test_only_a_retiring_hosts_volumes_lose_their_protection_and_are_retained_all_the_same() -> None:
    recording = record("production", database_hosts=4, retiring_hosts=["db4"])
    for volume in recording.of_type(VOLUME):
        assert volume.protect == (not volume.name.startswith("db4-")), volume.name
        assert volume.retain


def test_volumes_are_attached_to_their_own_host_in_its_zone(production: Recording) -> None:
    ids = {urn.name: urn for urn in production.of_type(VOLUME)}
    for attachment in production.of_type(ATTACHMENT):
        host = production.named(f"{attachment.parent}-instance", INSTANCE)
        volume = ids[attachment.name]
        assert volume.parent == attachment.parent
        plan = next(h for h in production.contract["clusters"]["main"]["hosts"] if h["name"] == attachment.parent)
        assert volume.inputs["availabilityZone"] == plan["zone"]
        assert host.inputs["privateIp"] == plan["address"]
        assert attachment.delete_before_replace
    devices = [attachment.inputs["deviceName"] for attachment in production.of_type(ATTACHMENT)]
    assert sorted(set(devices)) == ["/dev/sdf", "/dev/sdg", "/dev/sdh"]


def test_database_hosts_are_spread_over_three_zones(production: Recording) -> None:
    hosts = production.contract["clusters"]["main"]["hosts"]
    assert len({host["zone"] for host in hosts}) == len(hosts) == 3


def test_credentials_are_given_to_the_host_itself_alone(production: Recording) -> None:
    for instance in production.of_type(INSTANCE):
        assert instance.inputs["metadataOptions"] == {
            "httpEndpoint": "enabled",
            "httpPutResponseHopLimit": 1,
            "httpTokens": "required",
        }


def test_no_host_is_reachable_from_the_internet(production: Recording) -> None:
    assert all(host.inputs["associatePublicIpAddress"] is False for host in production.of_type(INSTANCE))
    subnets = production.of_type("aws:ec2/subnet:Subnet")
    assert all(subnet.inputs["mapPublicIpOnLaunch"] is False for subnet in subnets)
    assert not [r for r in production.resources if "internetGateway" in r.type or "natGateway" in r.type]


def test_system_volumes_are_encrypted_too(production: Recording) -> None:
    for instance in production.of_type(INSTANCE):
        root = instance.inputs["rootBlockDevice"]
        assert root["encrypted"] is True
        assert root["kmsKeyId"].startswith("arn:aws:kms:")


def test_first_boot_knows_the_hosts_name_and_key_and_nothing_else(production: Recording) -> None:
    for instance in production.of_type(INSTANCE):
        head, body = instance.inputs["userData"].split("\n", maxsplit=1)
        assert head == "#cloud-config"
        assert json.loads(body) == {
            "hostname": instance.parent,
            "users": [
                {
                    "name": "ansible",
                    "shell": "/bin/bash",
                    "ssh_authorized_keys": [PUBLIC_KEY],
                    "sudo": "ALL=(ALL) NOPASSWD:ALL",
                }
            ],
        }


def test_a_newer_image_replaces_no_running_host(production: Recording) -> None:
    for instance in production.of_type(INSTANCE):
        assert set(instance.ignore_changes) == {"ami", "userData"}
        assert instance.delete_before_replace


def test_only_database_hosts_may_touch_backups(production: Recording) -> None:
    allowed = {i.parent for i in production.of_type(INSTANCE) if i.inputs.get("iamInstanceProfile")}
    assert allowed == {"db1", "db2", "db3"}


@pytest.mark.parametrize(("architecture", "kind", "image"), [("x86_64", "m7a", "amd64"), ("aarch64", "m7g", "arm64")])
def test_the_image_follows_the_architecture(architecture: str, kind: str, image: str) -> None:
    recording = record("production", architecture=architecture)
    assert recording.named("db1-instance", INSTANCE).inputs["instanceType"] == f"{kind}.2xlarge"
    assert recording.lookups["aws:ec2/getAmi:getAmi"]["filters"] == [
        {"name": "name", "values": [f"debian-13-{image}-*"]}
    ]
    assert recording.contract["clusters"]["main"]["hosts"][0]["architecture"] == architecture


def test_a_named_image_is_taken_without_a_lookup() -> None:
    recording = record("production", image_id="ami-0123456789abcdef0")
    assert recording.named("db1-instance", INSTANCE).inputs["ami"] == "ami-0123456789abcdef0"
    assert "aws:ec2/getAmi:getAmi" not in recording.lookups


@pytest.mark.parametrize(
    ("cores", "memory_mib", "architecture", "expected"),
    [
        (8, 32768, "x86_64", "m7a.2xlarge"),
        (8, 65536, "x86_64", "r7a.2xlarge"),
        (2, 8192, "aarch64", "m7g.large"),
        (8, 16384, "x86_64", None),
        (8, 32769, "x86_64", None),
        (3, 12288, "x86_64", None),
    ],
)
def test_an_instance_type_has_exactly_what_the_host_declares(
    cores: int, memory_mib: int, architecture: str, expected: str | None
) -> None:
    assert instance_type(cores, memory_mib, architecture) == expected
