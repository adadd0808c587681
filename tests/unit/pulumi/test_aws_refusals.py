"""Settings for AWS that can't work: each is refused with value, limit and remedy before anything is registered."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pulumi
import pytest
from aws_inventions import new_id
from infra import stack_config, topology
from infra.problems import SettingsError
from pulumi.runtime.mocks import MockMonitor
from pulumi_recorder import PROJECT, config_of, record

REGION = "eu-central-1"
CACHE = {"name": "service1", "serves": ["cache"], "cores": 2, "memory_mib": 8192}
BACKUPS = {"name": "backups", "serves": ["repository"], "cores": 2, "memory_mib": 8192, "repository_volume_gib": 1000}
METRICS = {"name": "metrics1", "serves": ["monitoring"], "cores": 2, "memory_mib": 8192, "metrics_volume_gib": 100}
CHINA = {"aws:region": "cn-north-1", "zones": ["cn-north-1a", "cn-north-1b", "cn-north-1d"], "reach": "vpn"}
IMAGE = {"image_id": "ami-0123456789abcdef0"}
VPC, GATEWAY = {"vpc_id": "vpc-0123456789abcdef0"}, {"internet_gateway_id": "igw-0123456789abcdef0"}
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
# EC2 user guide, "EC2 Instance Connect Endpoint", concurrent connections. Ansible keeps one open to each host.
CONNECTIONS_MAX = 20
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEexampleexampleexampleexampleexampleexample"


def zones(*names: str) -> dict[str, Any]:
    """Return the setting of zones."""
    return {"zones": list(names)}


def clients(number: int) -> dict[str, Any]:
    """Return the setting of so many networks of clients."""
    return {"clients": [f"10.40.{third}.0/24" for third in range(number)]}


def services(*hosts: object) -> dict[str, Any]:
    """Return the setting of service hosts."""
    return {"services": list(hosts)}


# What is set: what the message must say of value and limit, then of the remedy.
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    # region and zones
    ({"aws:region": ""}, "aws:region: not set", "such as eu-central-1"),
    ({"aws:region": "frankfurt"}, "aws:region: 'frankfurt'; a region of AWS", "config set aws:region"),
    ({"aws:region": "EU-CENTRAL-1"}, "aws:region: 'EU-CENTRAL-1'", "config set aws:region"),
    ({"aws:region": "eu-central-1a"}, "aws:region: 'eu-central-1a'", "config set aws:region"),
    ({"aws:region": "us-gov-west-1"}, "aws:region: 'us-gov-west-1'", "config set aws:region"),
    (
        zones("eu-west-1a", "eu-west-1b", "eu-west-1c"),
        "zones of aws:region eu-central-1 are needed",
        "like eu-central-1a",
    ),
    (zones(REGION, "eu-central-1b", "eu-central-1c"), r"\['eu-central-1'\]; zones of", "like eu-central-1a"),
    (
        zones("eu-central-1a", "eu-central-1b", "eu-central-1-ham-1a"),
        r"\['eu-central-1-ham-1a'\]",
        "like eu-central-1a",
    ),
    (zones("eu-central-1a", "eu-central-1b", "eu-central-11"), r"\['eu-central-11'\]; zones of", "like eu-central-1a"),
    (zones("eu-central-1a", "eu-central-1a", "eu-central-1b"), "zones: 2 for 3 database hosts", "name three zones"),
    (zones(), "zones: 0 for 3 database hosts; at least 3", "name three zones"),
    (zones("eu-central-1a"), "a lost zone may take one vote only", "database_hosts 1"),
    # network
    ({"network": "10.20.0.0/8"}, "network: '10.20.0.0/8'; .*host bits", "like 10.20.0.0/16"),
    ({"network": "10.0.0.0/8"}, "network: 10.0.0.0/8; /16 to /", "such a size"),
    ({"network": "10.20.0.0/29"}, "network: 10.20.0.0/29; /16 to /", "such a size"),
    ({"network": "10.20.0.0/28"}, "network: ", "larger one|such a size"),
    (
        {"network": "203.0.0.0/16"},
        "network: 203.0.0.0/16; a private network is needed: .*10.0.0.0/8",
        "no office or cloud",
    ),
    ({"network": "net"}, "network: 'net'", "like 10.20.0.0/16"),
    ({"network": "fd00::/48"}, "network: 'fd00::/48'", "like 10.20.0.0/16"),
    ({"operator_network": "10.20.8.0/24"}, "overlaps the hosts' network 10.20.0.0/16", "take another network"),
    ({"operator_network": "0.0.0.0/0"}, "operator_network: 0.0.0.0/0", "take another network|networks that"),
    ({"operator_network": "198.51.100.0/24"}, "198.51.100.0/24; only private networks", "the connections come from"),
    ({"clients": ["0.0.0.0/0"]}, "clients: 0.0.0.0/0; only private networks", "the connections come from"),
    ({"clients": ["10.40.0.0"], "network": "ten"}, "network: 'ten'", "like 10.20.0.0/16"),
    ({"clients": "10.40.0.0/16"}, "clients: '10.40.0.0/16'; a list is needed", r"--path 'clients\[0\]'"),
    ({"clients": ["10.40.0.1/16"]}, "clients: '10.40.0.1/16'; .*host bits", "like 10.20.0.0/16"),
    (
        clients(20),
        "clients: 20 networks beside operator_network; 19 at most: each takes 3 of the 60 rules",
        "join neighbours into larger networks",
    ),
    ({"vpc_id": "vpc-1"}, "vpc_id: 'vpc-1'; vpc- and 8 or 17 hexadecimal digits", "leave it empty"),
    ({"vpc_id": "subnet-0123456789abcdef0"}, "vpc_id: 'subnet-", "leave it empty"),
    (VPC, "internet_gateway_id: not set; egress nat_per_zone in an existing VPC", "name the VPC's gateway"),
    (GATEWAY, "internet_gateway_id: 'igw-.*used with vpc_id", "config rm internet_gateway_id"),
    (VPC | GATEWAY | IMAGE | {"egress": "none"}, "internet_gateway_id: 'igw-.*egress by NAT only", "config rm"),
    (VPC | {"internet_gateway_id": "igw-x"}, "internet_gateway_id: 'igw-x'; igw- and 8 or 17", "leave it empty"),
    ({"egress": "nat"}, "egress: 'nat'; one of nat_per_zone, nat_single, none", "take nat_"),
    ({"egress": "none"}, "egress: none; hosts install packages", "apt_mirror .* or an image_id"),
    ({"apt_mirror": "mirror.example.internal"}, "apt_mirror: 'mirror.*a URL of http or https", "write it like http"),
    ({"apt_mirror": "ftp://mirror.example.internal/debian"}, "apt_mirror: 'ftp://", "write it like http"),
    ({"apt_mirror": "http://user:word@mirror.example.internal/"}, "without account or query", "write it like http"),
    ({"apt_mirror": "https://mirror.example.internal/?suite=trixie"}, "without account or query", "write it like http"),
    ({"apt_mirror": "http://mirror.example.internal/"}, "that ends with /debian", "write it like http"),
    ({"apt_mirror": "http://mirror.example.internal:99999/debian"}, "apt_mirror: 'http", "write it like http"),
    # hosts
    ({"database_hosts": 0}, "database_hosts: 0; 1 or at least 3", "take 3"),
    ({"database_hosts": -3}, "database_hosts: -3; 1 or at least 3", "take 3"),
    ({"database_hosts": 2}, "can't tell a dead partner from a cut link", "take 3"),
    ({"database_hosts": "three"}, "database_hosts: 'three'; a whole number", "give one"),
    ({"database_hosts": "3.0"}, "database_hosts: '3.0'; a whole number", "give one"),
    ({"database_hosts": 11, "max_connections": 2000}, "database_hosts: 11; 10 at most", "10 or fewer"),
    ({"etcd_members": 2}, "etcd_members: 2 on 3 database hosts; 1, 3 or 5", "take 3"),
    ({"etcd_members": 5}, "etcd_members: 5 on 3", "take 3"),
    ({"etcd_members": -1}, "etcd_members: -1 on 3", "take 3"),
    ({"retiring_hosts": ["db3"]}, "would leave 2 database hosts", "retire fewer"),
    ({"retiring_hosts": ["db9"]}, r"retiring_hosts: \['db9'\]; there are 3", "config rm retiring_hosts"),
    ({"retiring_hosts": ["db1"], "database_hosts": 4}, "only the last of the 4", "name those"),
    ({"replacing_hosts": ["db9"]}, r"replacing_hosts: \['db9'\]; .*db3 are possible", "config rm replacing_hosts"),
    ({"replacing_hosts": ["service1"]}, r"replacing_hosts: \['service1'\]", "take the others out"),
    (
        {"replacing_hosts": ["db2", "db4"], "retiring_hosts": ["db4"], "database_hosts": 4},
        r"replacing_hosts: \['db4'\]; .*do not retire, db1, db2, db3 are possible",
        "take the others out",
    ),
    (
        {"database_cores": 6},
        "database_cores: 6 with 32768 MiB; no x86_64 instance type",
        "take 2, 4, 8, 16, 32, 48, 64",
    ),
    ({"database_cores": 8, "database_memory_mib": 30000}, "8 with 30000 MiB; no x86_64", "4 or 8 GiB"),
    ({"database_cores": 96, "database_memory_mib": 393216}, "96 with 393216 MiB", "take 2, 4, 8"),
    ({"database_cores": -8}, "database_cores: -8; at least 1", "take 1 or more"),
    (
        {"database_host_sizes": {"db2": {"cores": 16, "memory_mib": 32768}}},
        "database_host_sizes.db2.cores: 16 with 32768 MiB; no x86_64 instance type",
        "take 2, 4, 8",
    ),
    ({"database_memory_mib": 0}, "database_memory_mib: 0; .*at least 1840 MiB", "take 1840"),
    ({"architecture": "amd64"}, "architecture: 'amd64'; one of x86_64, aarch64", "take x86_64|take aarch64"),
    ({"architecture": "aarch64", "database_cores": 12}, "12 with 32768 MiB; no aarch64", "take 2, 4, 8"),
    # images and keys
    ({"image_id": "debian-13"}, "image_id: 'debian-13'; ami- and 8 or 17", "name an image"),
    ({"image_id": "ami-0123456789ABCDEF0"}, "image_id: 'ami-0123456789ABCDEF0'", "name an image"),
    ({"image_owner": "debian"}, "image_owner: 'debian'; an account of 12 digits", "name the account"),
    ({"image_owner": "12345"}, "image_owner: '12345'", "name the account"),
    (IMAGE | {"image_owner": "136693071363"}, "'136693071363' beside image_id", "config rm image_owner"),
    (CHINA, "image_id: not set; who publishes Debian's images in cn-north-1 is not known", "image_owner"),
    ({"ssh_public_key": ""}, "ssh_public_key: ''; no public key of OpenSSH", "belongs to ssh_private_key_file"),
    ({"ssh_public_key": "REPLACE_WITH_YOUR_PUBLIC_KEY"}, "ssh_public_key: 'REPLACE", "belongs to"),
    ({"ssh_public_key": "ssh-ed25519 not-base64"}, "ssh_public_key: 'ssh-ed25519 not", "belongs to"),
    ({"ssh_public_key": KEY.replace("ssh-ed25519", "ssh-rsa")}, "ssh_public_key: 'ssh-rsa AAAAC3", "belongs to"),
    ({"ssh_public_key": f"{KEY}\n{KEY}"}, "no public key of OpenSSH", "belongs to"),
    ({"ssh_public_key": "ssh-dss AAAAB3NzaC1kc3M="}, "ssh_public_key: 'ssh-dss", "belongs to"),
    ({"ssh_public_key": "-----BEGIN OPENSSH PRIVATE KEY-----"}, "no public key of OpenSSH", "belongs to"),
    ({"ssh_user": "Admin"}, "ssh_user: 'Admin'; a Linux user", "take ansible"),
    ({"ssh_private_key_file": ""}, "ssh_private_key_file: empty", "config set ssh_private_key_file"),
    # reach
    ({"reach": "ssm"}, "reach: 'ssm'; one of instance_connect_endpoint, bastion, vpn", "take "),
    ({"reach": "bastion"}, "bastion: not set; reach bastion goes through it", "user@host"),
    ({"reach": "bastion", "bastion": "jump.example.com"}, "bastion: 'jump.example.com'; user@host", "write it so"),
    ({"reach": "bastion", "bastion": "root@jump;reboot"}, "bastion: 'root@jump;reboot'", "write it so"),
    ({"reach": "bastion", "bastion": "me@jump:99999"}, "bastion: 'me@jump:99999'; .*up to 65535", "write it so"),
    ({"reach": "bastion", "bastion": "me@-oProxyCommand=x"}, "bastion: 'me@-oProxy", "write it so"),
    ({"reach": "vpn", "bastion": "me@jump"}, "with reach vpn nothing goes through it", "take reach bastion"),
    ({"ssh_proxy_command": "ssh -W %h:%p j"}, "reach instance_connect_endpoint has a command", "take reach vpn"),
    (CHINA | IMAGE | {"reach": "instance_connect_endpoint"}, "there is none in cn-north-1", "take bastion or vpn"),
    # volumes
    ({"data_volume_gib": 0}, "data_volume_gib: 0; 2 to 16384 GiB", "between them"),
    ({"data_volume_gib": 20000}, "data_volume_gib: 20000; 2 to 16384", "between them"),
    ({"wal_volume_gib": -1}, "wal_volume_gib: -1; 1 to 16384", "between them"),
    ({"etcd_volume_gib": 0}, "etcd_volume_gib: 0; 1 to 16384", "between them"),
    ({"data_volume_iops": 2999}, "data_volume_iops: 2999; gp3 takes 3000 to 16000", "between them"),
    ({"data_volume_iops": 16001}, "data_volume_iops: 16001; gp3 takes 3000 to 16000", "between them"),
    ({"data_volume_gib": 10, "data_volume_iops": 6000}, "6000 on 10 GiB; gp3 takes 500 for each", "data_volume_gib 12"),
    ({"data_volume_throughput_mibps": 124}, "throughput_mibps: 124; gp3 takes 125 to 1000", "between them"),
    ({"data_volume_throughput_mibps": 1001}, "throughput_mibps: 1001; gp3 takes 125 to 1000", "between them"),
    ({"wal_volume_throughput_mibps": 900}, "900 with 3000 operations; .*a quarter", "wal_volume_iops 3600 or more"),
    ({"wal_volume_iops": 0}, "wal_volume_iops: 0; gp3", "between them"),
    # service hosts
    ({"services": "cache"}, "services: 'cache'; a list is needed", "config set --path"),
    (services("cache"), r"services\[0\]: 'cache'; an object with name, serves", "write one"),
    (services({"serves": ["cache"]}), r"services\[0\].name: ''; a text is needed", "give one"),
    (services({"name": "service1"}), "services.service1.serves: nothing", "remove the host"),
    (services(CACHE | {"serves": "cache"}), r"services\[0\].serves: 'cache'; a list is needed", r"\[cache\]"),
    (services(CACHE | {"serve": ["cache"]}), r"services\[0\].serve: no such setting", "did you mean serves"),
    (
        services(CACHE | {"serves": ["redis"]}),
        r"services: \['redis'\]; each of \['repository', 'cache', 'monit",
        "one host",
    ),
    (services(CACHE, CACHE | {"name": "service2"}), r"\['cache', 'cache'\]; each of .* at most once", "one host"),
    (
        services(CACHE, METRICS | {"name": "service1"}),
        r"hosts \['service1', 'service1'\]; .* each once",
        "name them anew",
    ),
    (services(CACHE | {"name": "db4"}), r"hosts \['db4'\]; .*none of a database host", "name them anew"),
    (services(CACHE | {"name": "Cache_1"}), r"hosts \['Cache_1'\]; .*small letters", "name them anew"),
    (services(CACHE | {"cores": 3}), "services.service1.cores: 3 with 8192 MiB; no x86_64", "take 2, 4, 8"),
    (services(CACHE | {"cores": "two"}), r"services\[0\].cores: 'two'; a whole number", "give one"),
    (services(CACHE | {"cores": 2.5}), r"services\[0\].cores: 2.5; a whole number", "give one"),
    (services(CACHE | {"memory_mib": 256}), "services.service1.memory_mib: 256; .*at least 512", "take 512"),
    (services(CACHE | {"metrics_volume_gib": 10}), "does not serve monitoring", "add monitoring to serves"),
    (services(METRICS | {"metrics_volume_gib": 0}), "metrics_volume_gib: 0; 2 to 16384", "between them"),
    (services(BACKUPS | {"repository_volume_gib": 100}), "100; less than the 500 GiB of data", "take 1000 or more"),
    (services(BACKUPS | {"repository_volume_gib": 99999}), "99999; 2 to 16384 GiB", "between them"),
    # backups
    ({"backup_retention_days": 0}, "backup_retention_days: 0; 7 to 365 days", "between them"),
    ({"backup_retention_days": 400, "backup_lock_days": 400}, "backup_retention_days: 400; 7 to 365", "between them"),
    ({"backup_lock_days": 36}, r"backup_lock_days: 36; 37 \(backup_retention_days and .* to 400", "take 37 or"),
    ({"backup_lock_days": 0}, "a backup that is kept must not be deletable", "take 37 or"),
    ({"backup_lock_days": 401}, "backup_lock_days: 401; .* to 400", "take 37 or"),
    (
        services(CACHE, BACKUPS) | {"backup_second_region": "eu-west-1"},
        "backup_second_region: 'eu-west-1' beside the host backups, which has the repository",
        "config rm backup_second_region, or let no service host serve repository",
    ),
    ({"backup_second_region": REGION}, "it is the first repository's", "name another region"),
    (
        {"backup_second_region": "mars-1"},
        "backup_second_region: 'mars-1'; a region of the partition aws",
        "or leave it",
    ),
    ({"backup_second_region": "cn-north-1"}, "'cn-north-1'; a region of the partition aws", "or leave it"),
    (IMAGE | {"egress": "none", "backup_second_region": "eu-west-1"}, "hosts reach S3 in their own region", "by NAT"),
    # names, alarms, connections
    ({"alarm_emails": ["dba"]}, r"alarm_emails: \['dba'\]; addresses like", "correct them"),
    ({"alarm_emails": ["a@example.com", "a@example.com"]}, "each once", "correct them"),
    ({"alarm_emails": "a@example.com"}, "alarm_emails: 'a@example.com'; a list is needed", "config set --path"),
    ({"private_zone": "internal"}, "private_zone: 'internal'; a domain of two or more parts", "leave it empty"),
    ({"private_zone": "Shop.Example.Internal"}, "private_zone: 'Shop", "leave it empty"),
    ({"private_zone": "-shop.internal"}, "private_zone: '-shop.internal'", "leave it empty"),
    ({"max_connections": 100}, "max_connections: 100; pool sizes exceed", "lower pooler_connections"),
    ({"pooler_connections": 10}, "pooler_connections: 10; at least 25", "take 25"),
    ({"reserved_connections": 0}, "reserved_connections: 0; at least 6", "take 6"),
    ({"direct_connections": 0}, "direct_connections: 0; at least 1", "take 1"),
    # names of settings
    ({"databse_hosts": 3}, "databse_hosts: no such setting", "did you mean freelance-platform:database_hosts"),
    ({"aws:regoin": REGION}, "aws:regoin: no such setting", "did you mean aws:region"),
    ({"freelance:egress": "none"}, "freelance:egress: no such setting", "did you mean freelance-platform:egress"),
    ({"aws-native:region": REGION}, "aws-native:region: no such setting", "did you mean aws:region"),
    ({"service_cores": 2}, "service_cores: no such setting", "did you mean freelance-platform:"),
    ({"target": "azure"}, "target: 'azure'; one of lab, aws", "take "),
]


@pytest.mark.parametrize(("settings", "finding", "remedy"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_cannot_work_on_aws_is_refused(settings: dict[str, Any], finding: str, remedy: str) -> None:
    with pytest.raises(SettingsError) as refused:
        topology.plan(stack_config.read(config_of("production", **settings), project=PROJECT, stack="production"))
    said = str(refused.value)
    assert any(re.search(finding, line) and re.search(remedy, line) for line in said.splitlines()), said


def test_at_least_a_hundred_are_known() -> None:
    assert len({str(settings) for settings, _, _ in REFUSED}) >= 100


def test_as_many_clients_as_are_let_in_fit_into_each_security_group() -> None:
    fullest = record("production", **clients(19), **services(CACHE, BACKUPS))
    groups = {new_id(group.type, group.urn, None): group.name for group in fullest.of_type(GROUP)}
    rules = Counter(groups[rule.inputs["securityGroupId"]] for rule in fullest.of_type(INGRESS))
    # Source: VPC user guide, "Amazon VPC quotas", inbound rules per security group.
    assert max(rules.values()) == rules["access-balancer"] == 60


def test_the_largest_stack_has_no_more_hosts_than_its_connect_endpoint_carries() -> None:
    largest: dict[str, Any] = {"database_hosts": 10, "max_connections": 2000, **services(CACHE, BACKUPS, METRICS)}
    config = config_of("production", reach="instance_connect_endpoint", **largest)
    assert len(topology.plan(stack_config.read(config, project=PROJECT, stack="production")).hosts) <= CONNECTIONS_MAX
    for more in (largest | {"database_hosts": 11}, largest | services(CACHE, BACKUPS, METRICS, CACHE | {"name": "x"})):
        with pytest.raises(SettingsError):
            stack_config.read(config_of("production", **more), project=PROJECT, stack="production")


# One of each heading above.
ONE_OF_EACH = {
    "region and zones": {"aws:region": "frankfurt"},
    "network": {"vpc_id": "vpc-1"},
    "hosts": {"database_hosts": 2},
    "images and keys": {"image_id": "debian-13"},
    "reach": {"reach": "ssm"},
    "volumes": {"data_volume_iops": 2999},
    "service hosts": services(CACHE | {"name": "db4"}),
    "backups": {"backup_lock_days": 36},
    "names, alarms, connections": {"alarm_emails": ["dba"]},
    "names of settings": {"databse_hosts": 3},
}


def test_one_of_each_heading_is_shown_to_register_nothing() -> None:
    headings = re.findall(r"^    # (.+)$", Path(__file__).read_text(encoding="utf-8").split("\n]\n")[0], re.MULTILINE)
    assert list(ONE_OF_EACH) == headings
    refused = [settings for settings, _, _ in REFUSED]
    assert all(settings in refused for settings in ONE_OF_EACH.values())


@pytest.mark.parametrize("settings", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_nothing_is_registered_when_settings_are_refused(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    register = MockMonitor.RegisterResource

    def keep(self: MockMonitor, request: Any) -> Any:
        asked.append(request.type)
        return register(self, request)  # type: ignore[no-untyped-call]  # the SDK's

    monkeypatch.setattr(MockMonitor, "RegisterResource", keep)
    with pytest.raises(pulumi.RunError, match="Settings of stack production refused") as refused:
        record("production", **settings)
    assert set(asked) <= {"pulumi:pulumi:Stack"}
    assert next(iter(settings)) in str(refused.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        stack_config.read(
            config_of("production", backup_lock_days=1, database_hosts=2, vpc_id="x"),
            project=PROJECT,
            stack="production",
        )
    assert {"backup_lock_days", "database_hosts", "vpc_id"} <= {problem.setting for problem in refused.value.problems}
