"""Hosts and volumes on AWS: what would hurt if it were otherwise."""

import json
from typing import Any

import pytest
from aws_inventions import new_id
from pulumi_recorder import PUBLIC_KEY, Recording, Resource, record

INSTANCE, VOLUME, SUBNET = "aws:ec2/instance:Instance", "aws:ebs/volume:Volume", "aws:ec2/subnet:Subnet"
ATTACHMENT, LOOKUP = "aws:ec2/volumeAttachment:VolumeAttachment", "aws:ec2/getAmi:getAmi"
DATABASE_HOSTS = ("db1", "db2", "db3")
CACHE = {"name": "service1", "serves": ["cache"], "cores": 2, "memory_mib": 8192}
BACKUPS = {"name": "backups", "serves": ["repository"], "cores": 2, "memory_mib": 8192, "repository_volume_gib": 1000}


@pytest.fixture(scope="session")
def growing() -> Recording:
    """Production with a fourth host that retires and a third one that is about to be replaced."""
    return record("production", database_hosts=4, retiring_hosts=["db4"], replacing_hosts=["db3"])


def of_hosts(recording: Recording, kind: str, *hosts: str) -> list[Resource]:
    found = [resource for resource in recording.of_type(kind) if resource.parent in hosts]
    assert found
    return found


def test_each_volume_is_encrypted_with_the_platforms_key(production: Recording) -> None:
    for volume in production.of_type(VOLUME):
        assert volume.inputs["encrypted"] is True
        assert volume.inputs["kmsKeyId"].startswith("arn:aws:kms:eu-central-1:123456789012:key/")
        assert volume.inputs["type"] == "gp3"


def test_volumes_outlive_their_host(production: Recording) -> None:
    volumes = production.of_type(VOLUME)
    assert sorted(volume.name for volume in volumes if volume.parent in DATABASE_HOSTS) == sorted(
        f"{host}-{purpose}" for host in DATABASE_HOSTS for purpose in ("data", "wal", "etcd")
    )
    assert all(volume.protect and volume.retain for volume in volumes)
    assert all(volume.inputs["finalSnapshot"] is True for volume in volumes)


def test_only_a_retiring_hosts_volumes_lose_their_protection_and_are_retained_all_the_same(growing: Recording) -> None:
    for volume in growing.of_type(VOLUME):
        assert volume.protect == (volume.parent != "db4"), volume.name
        assert volume.retain


def test_volumes_are_as_fast_as_the_settings_say() -> None:
    recording = record(
        "production",
        data_volume_iops=12000,
        data_volume_throughput_mibps=500,
        wal_volume_iops=6000,
        wal_volume_throughput_mibps=250,
    )
    speeds = {
        volume.name: (volume.inputs["iops"], volume.inputs["throughput"])
        for volume in of_hosts(recording, VOLUME, "db2")
    }
    assert speeds == {"db2-data": (12000, 500), "db2-wal": (6000, 250), "db2-etcd": (3000, 125)}


def test_a_volume_is_as_large_as_the_contract_says() -> None:
    recording = record("production", data_volume_gib=900)
    host = recording.contract["clusters"]["main"]["hosts"][0]
    declared = {volume["purpose"]: volume["size_gib"] for volume in host["volumes"]}
    assert declared["data"] == 900
    for purpose, size_gib in declared.items():
        assert recording.named(f"db1-{purpose}", VOLUME).inputs["size"] == size_gib


def test_a_host_has_the_instance_of_its_own_size() -> None:
    recording = record("production", database_host_sizes={"db2": {"cores": 16, "memory_mib": 65536}})
    kinds = {host.parent: host.inputs["instanceType"] for host in recording.of_type(INSTANCE)}
    assert kinds == {"db1": "m7a.2xlarge", "db2": "m7a.4xlarge", "db3": "m7a.2xlarge", "service1": "m7a.large"}
    sizes = [(host["cores"], host["memory_mib"]) for host in recording.contract["clusters"]["main"]["hosts"]]
    assert sizes == [(8, 32768), (16, 65536), (8, 32768)]


def test_volumes_are_attached_to_their_own_host_in_its_zone(production: Recording) -> None:
    volumes = {volume.name: volume for volume in production.of_type(VOLUME)}
    contract = production.contract
    plans = {host["name"]: host for host in (*contract["clusters"]["main"]["hosts"], *contract["services"])}
    for attachment in production.of_type(ATTACHMENT):
        host = production.named(f"{attachment.parent}-instance", INSTANCE)
        volume, plan = volumes[attachment.name], plans[attachment.parent]
        assert volume.parent == attachment.parent
        assert volume.inputs["availabilityZone"] == plan["zone"]
        assert host.inputs["privateIp"] == plan["address"]
        assert attachment.delete_before_replace
        assert attachment.inputs["stopInstanceBeforeDetaching"] is True
    for plan in plans.values():
        devices = [
            found.inputs["deviceName"] for found in production.of_type(ATTACHMENT) if found.parent == plan["name"]
        ]
        assert len(set(devices)) == len(devices) == len(plan["volumes"])


def test_the_contract_names_a_volume_by_its_id(production: Recording) -> None:
    for volume in production.contract["clusters"]["main"]["hosts"][0]["volumes"]:
        identity = new_id(VOLUME, production.named(f"db1-{volume['purpose']}", VOLUME).urn, None)
        assert identity.startswith("vol-")
        bare = identity.replace("-", "")
        assert volume["device"] == f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{bare}"


def test_database_hosts_are_spread_over_three_zones(production: Recording) -> None:
    hosts = production.contract["clusters"]["main"]["hosts"]
    assert len({host["zone"] for host in hosts}) == len(hosts) == 3


def test_credentials_are_given_to_the_host_itself_alone(production: Recording) -> None:
    for instance in production.of_type(INSTANCE):
        assert instance.inputs["metadataOptions"] == {
            "httpEndpoint": "enabled",
            "httpProtocolIpv6": "disabled",
            "httpPutResponseHopLimit": 1,
            "httpTokens": "required",
            "instanceMetadataTags": "disabled",
        }


def test_no_host_has_a_public_address(production: Recording) -> None:
    assert all(host.inputs["associatePublicIpAddress"] is False for host in production.of_type(INSTANCE))
    subnets = {new_id(SUBNET, subnet.urn, None): subnet for subnet in production.of_type(SUBNET)}
    for host in production.of_type(INSTANCE):
        assert subnets[host.inputs["subnetId"]].inputs["mapPublicIpOnLaunch"] is False


def test_system_volumes_are_encrypted_too_and_go_with_their_instance(production: Recording) -> None:
    for instance in production.of_type(INSTANCE):
        root = instance.inputs["rootBlockDevice"]
        assert root["encrypted"] is True
        assert root["kmsKeyId"].startswith("arn:aws:kms:")
        assert root["deleteOnTermination"] is True
        assert root["tags"] == instance.inputs["tags"]


def test_a_database_host_can_neither_be_stopped_nor_terminated_nor_replaced_by_mistake(production: Recording) -> None:
    for instance in production.of_type(INSTANCE):
        database = instance.parent in DATABASE_HOSTS
        assert instance.inputs["disableApiStop"] is database
        assert instance.inputs["disableApiTermination"] is database
        assert instance.protect is database
        # By `terminate`, a shutdown inside the host would get round it; by force, a replacement would.
        assert instance.inputs["instanceInitiatedShutdownBehavior"] == "stop"
        assert not instance.inputs.get("forceDestroy")
    for attachment in of_hosts(production, ATTACHMENT, *DATABASE_HOSTS):
        assert attachment.protect


@pytest.mark.parametrize(("host", "guarded"), [("db1", True), ("db2", True), ("db3", False), ("db4", False)])
def test_a_host_that_retires_or_is_to_be_replaced_loses_its_protections(
    growing: Recording, host: str, guarded: bool
) -> None:
    instance = growing.named(f"{host}-instance", INSTANCE)
    assert instance.inputs["disableApiStop"] is guarded
    assert instance.inputs["disableApiTermination"] is guarded
    assert instance.protect is guarded
    assert all(attachment.protect is guarded for attachment in of_hosts(growing, ATTACHMENT, host))


@pytest.mark.parametrize(("replacing", "guarded"), [([], True), (["backups"], False)])
def test_the_host_of_all_backups_is_guarded_like_a_database_host(replacing: list[str], guarded: bool) -> None:
    recording = record("production", services=[BACKUPS, CACHE], replacing_hosts=replacing)
    instance = recording.named("backups-instance", INSTANCE)
    assert instance.inputs["disableApiStop"] is instance.inputs["disableApiTermination"] is guarded
    assert instance.protect is guarded
    (attachment,) = of_hosts(recording, ATTACHMENT, "backups")
    assert attachment.protect is guarded
    assert recording.named("backups-repository", VOLUME).protect
    assert not recording.named("service1-instance", INSTANCE).protect


def test_a_host_that_is_to_be_replaced_stays_in_its_cluster(growing: Recording) -> None:
    cluster = growing.contract["clusters"]["main"]
    assert [host["state"] for host in cluster["hosts"]] == ["active", "active", "active", "retiring"]


def test_a_host_is_watched_and_recovers(production: Recording) -> None:
    for instance in production.of_type(INSTANCE):
        assert instance.inputs["monitoring"] is True
        assert instance.inputs["ebsOptimized"] is True
        assert instance.inputs["maintenanceOptions"] == {"autoRecovery": "default"}


def test_ec2_answers_for_no_name_of_a_host_but_the_address(production: Recording) -> None:
    for instance in production.of_type(INSTANCE):
        assert instance.inputs["privateDnsNameOptions"] == {
            "enableResourceNameDnsARecord": False,
            "enableResourceNameDnsAaaaRecord": False,
            "hostnameType": "ip-name",
        }


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


def test_hosts_and_their_volumes_say_whose_they_are(production: Recording) -> None:
    for resource in production.of_type(INSTANCE) + production.of_type(VOLUME):
        tags = resource.inputs["tags"]
        own = {"Cluster": "main"} if resource.parent in DATABASE_HOSTS else {"Serves": "cache"}
        expected = {"Project": "freelance-platform", "Environment": "production", "ManagedBy": "pulumi", **own}
        assert expected.items() <= tags.items(), resource.name
        assert tags["Name"] == resource.name.removesuffix("-instance")


def test_a_host_finds_its_ways_out_at_its_first_boot_and_keeps_them_until_it_is_gone(production: Recording) -> None:
    ways = [
        resource
        for resource in production.resources
        if resource.type.startswith(("aws:ec2/vpcEndpoint:", "aws:ec2/route", "aws:vpc/securityGroup"))
        and resource.name.startswith(("network-", "access-"))
    ]
    assert "network-s3" in {way.name for way in ways}
    for instance in production.of_type(INSTANCE):
        assert {way.urn for way in ways} <= production.before(instance), instance.name


@pytest.mark.parametrize(
    ("architecture", "kind", "debian", "ec2"),
    [("x86_64", "m7a", "amd64", "x86_64"), ("aarch64", "m7g", "arm64", "arm64")],
)
def test_the_image_follows_the_architecture(architecture: str, kind: str, debian: str, ec2: str) -> None:
    recording = record("production", architecture=architecture)
    assert recording.named("db1-instance", INSTANCE).inputs["instanceType"] == f"{kind}.2xlarge"
    assert {found["name"]: found["values"] for found in recording.lookups[LOOKUP]["filters"]} == {
        "name": [f"debian-13-{debian}-*"],
        "architecture": [ec2],
        "root-device-type": ["ebs"],
        "virtualization-type": ["hvm"],
    }
    assert recording.contract["clusters"]["main"]["hosts"][0]["architecture"] == architecture


@pytest.mark.parametrize(
    ("settings", "owner"), [({}, "136693071363"), ({"image_owner": "210987654321"}, "210987654321")]
)
def test_an_image_is_looked_up_by_its_publishers_account(settings: dict[str, Any], owner: str) -> None:
    lookup = record("production", **settings).lookups[LOOKUP]
    assert lookup["owners"] == [owner]
    assert lookup["mostRecent"] is True


def test_a_named_image_is_taken_without_a_lookup() -> None:
    recording = record("production", image_id="ami-0123456789abcdef0")
    assert recording.named("db1-instance", INSTANCE).inputs["ami"] == "ami-0123456789abcdef0"
    assert LOOKUP not in recording.lookups
