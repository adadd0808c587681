"""Reading a stack's settings. Refusals by the user's own command are in tests/engine."""

import dataclasses
import importlib
import json
import re
from ipaddress import IPv4Network
from typing import Any

import pytest
import yaml
from infra import limits, stack_config
from infra.contract_checks import SCHEMA_FILE
from infra.problems import SettingsError
from infra.settings import Connections, Settings
from pulumi_recorder import PROJECT, ROOT, config_of

CACHE = {"name": "service1", "serves": ["cache"], "cores": 2, "memory_mib": 8192}
REPOSITORY = {"name": "backups", "serves": ["repository"], "cores": 1, "memory_mib": 1024, "repository_volume_gib": 8}
SCHEMA = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
WRONG_SIZES: list[tuple[object, str]] = [
    ("db1", "database_host_sizes: 'db1'; an object is needed; pulumi config set --path 'database_host_sizes.<name>.co"),
    ({"db1": 8}, "database_host_sizes.db1: 8; an object with cores, memory_mib is needed; write one"),
    (
        {"db4": {"cores": 8, "memory_mib": 32768}},
        "database_host_sizes.db4: no such host; db1, db2, db3 are the database hosts; pulumi config rm --path database",
    ),
    ({"db1": {"core": 8, "memory_mib": 32768}}, "database_host_sizes.db1.core: no such setting; did you mean cores?"),
    ({"db1": {"cores": "8c", "memory_mib": 32768}}, "database_host_sizes.db1.cores: '8c'; a whole number is needed"),
    ({"db1": {"memory_mib": 32768}}, "database_host_sizes.db1.cores: 0; at least 1 is needed; take 1 or more"),
    (
        {"db1": {"cores": 8, "memory_mib": 512}},
        "database_host_sizes.db1.memory_mib: 512; .* needs at least 1[0-9]+ MiB",
    ),
]


def read(stack: str = "production", **settings: Any) -> Settings:
    """Read the settings of an example stack, under whatever name."""
    example = "lab" if "lab" in stack.lower() else "production"
    return stack_config.read(config_of(example, **settings), project=PROJECT, stack=stack)


@pytest.mark.parametrize("key", SCHEMA)
def test_each_setting_of_the_project_is_read(key: str) -> None:
    config = config_of("production")
    del config[f"{PROJECT}:{key}"]
    with pytest.raises(SettingsError, match=rf"^{key}: not set; pulumi config set {key}"):
        stack_config.read(config, project=PROJECT, stack="production")


@pytest.mark.parametrize("key", SCHEMA)
def test_each_setting_has_a_type_and_a_description(key: str) -> None:
    assert SCHEMA[key]["type"] in ("string", "integer", "boolean", "array", "object")
    assert len(SCHEMA[key]["description"]) > 20


def test_settings_cannot_be_changed_once_they_are_checked() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        read().database_hosts = 2  # type: ignore[misc]  # what is tested


def test_clients_are_the_hosts_own_network_when_none_are_given() -> None:
    assert read("lab").clients == (IPv4Network("10.99.0.0/24"),)
    assert read(clients=["10.50.0.0/16"]).clients == (IPv4Network("10.50.0.0/16"),)


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("freelance-platform:databse_hosts", "freelance-platform:database_hosts"),
        ("freelance-platform:retiring_host", "freelance-platform:retiring_hosts"),
        ("freelance-platform:walVolumeGib", "freelance-platform:wal_volume_gib"),
        ("freelance_platform:zones", "freelance-platform:zones"),
        ("aws:regoin", "aws:region"),
        ("aws:Profile", "aws:profile"),
    ],
)
def test_the_nearest_known_setting_is_named(key: str, near: str) -> None:
    with pytest.raises(SettingsError, match=f"did you mean {near}\\?"):
        read("production", **{key: "x"})


def test_the_engines_own_keys_are_left_alone() -> None:
    tags: dict[str, Any] = {"pulumi:tags": {"team": "platform"}}
    assert read(**tags).target == "aws"


def test_unreadable_values_are_named_together_and_without_their_consequences() -> None:
    with pytest.raises(SettingsError) as refused:
        read(database_hosts="three", network="10.20.0.1/16", zones="eu-central-1a")
    assert [problem.setting for problem in refused.value.problems] == ["network", "database_hosts", "zones"]


def test_a_host_may_stand_alone_in_one_zone() -> None:
    alone = read(database_hosts=1, zones=["eu-central-1a"])
    assert (alone.database_hosts, alone.etcd_members) == (1, 1)


@pytest.mark.parametrize(
    ("stack", "settings", "message"),
    [
        ("lab", {"services": [CACHE]}, "services: none serves the repository; backups need a place"),
        ("lab", {"services": [REPOSITORY, REPOSITORY | {"name": "b"}]}, "'repository'.; each of .* at most once"),
        ("lab", {"services": [REPOSITORY | {"repository_volume_gib": 3}]}, "less than the 4 GiB of data"),
        ("production", {"aws:region": ""}, "aws:region: not set"),
        ("production", {"aws:region": "cn-north-1", "zones": [f"cn-north-1{z}" for z in "abc"]}, "image_id: not set"),
        ("production", {"reserved_connections": 5}, "reserved_connections: 5; at least 6"),
        ("production", {"pooler_connections": 24}, "pooler_connections: 24; at least 25"),
        ("production", {"database_hosts": 11}, "database_hosts: 11; 10 at most: .*service hosts; take 10 or fewer"),
        ("production", {"zones": [f"eu-central-1{z}" for z in "abcde"]}, "zones: 5; 4 at most"),
        (
            "production",
            {"clients": ["0.0.0.0/0"]},
            r"clients: 0\.0\.0\.0/0; only private .*10\.0\.0\.0/8.*; name",
        ),
        ("production", {"clients": ["10.1.0.0/16", "203.0.113.0/24"]}, r"clients: 203\.0\.113\.0/24; only private"),
        ("production", {"clients": ["10.0.0.0/7"]}, r"clients: 10\.0\.0\.0/7; only private networks"),
        ("production", {"operator_network": "203.0.113.7/32"}, r"operator_network: 203\.0\.113\.7/32; only private"),
        ("lab", {"zones": ["lab-a", "Lab_B", "lab-"]}, r"zones: \['Lab_B', 'lab-'\]; small letters, digits and dashes"),
        ("production", {"ssh_user": ""}, "ssh_user: ''; a Linux user is needed"),
        ("production", {"ssh_user": "root;reboot"}, "ssh_user: 'root;reboot'; a Linux user is needed"),
        ("production", {"ssh_private_key_file": ""}, "ssh_private_key_file: empty; a path is needed"),
        ("production", {"ssh_known_hosts_file": ""}, "ssh_known_hosts_file: empty; a path is needed"),
        ("Lab", {}, "stack: 'Lab'; it names the environment: small letters.*pulumi stack rename"),
        ("my_lab", {}, "stack: 'my_lab'; it names the environment"),
        ("lab\n", {}, r"stack: 'lab\\n'"),
        ("eu-central-1-productio", {"target": "aws"}, "stack: .*have 66 letters, 63 at most; .*with 3 letters fewer"),
        (
            "production-two",
            {"backup_second_region": "ap-southeast-1"},
            "stack: .*have 66 letters, 63 at most; .*with 3 letters fewer",
        ),
        ("production", {"network": "10.0.0.0/8"}, "network: 10.0.0.0/8; /16 to /22 are possible"),
        ("production", {"database_hosts": 0}, "database_hosts: 0; 1 or at least 3"),
        ("production", {"database_hosts": 2}, "database_hosts: 2; 1 or at least 3 .*cut link.*take 3"),
        ("production", {"zones": ["eu-central-1a"]}, "zones: 1 for 3 database hosts; .*name three zones"),
        ("production", {"zones": ["eu-central-1a"] * 3}, "name each zone once"),
        ("production", {"zones": [f"eu-west-1{z}" for z in "abc"]}, "zones of aws:region eu-central-1 are needed"),
        ("production", {"operator_network": "10.20.1.0/24"}, "operator_network: 10.20.1.0/24 overlaps .*10.20.0.0/16"),
        (
            "lab",
            {"services": [REPOSITORY | {"memory_mib": 511}]},
            "services.backups.memory_mib: 511; .* at least 512 MiB",
        ),
        ("lab", {"database_cores": 0}, "database_cores: 0; at least 1"),
        *(
            (stack, {"database_host_sizes": given}, message)
            for stack in ("lab", "production")
            for given, message in WRONG_SIZES
        ),
        ("production", {"data_volume_gib": 1}, "data_volume_gib: 1; 2 to 16384 GiB are possible with target aws"),
        ("production", {"wal_volume_gib": 16385}, "wal_volume_gib: 16385; 1 to 16384"),
        ("production", {"database_cores": 6}, "database_cores: 6 with 32768 MiB; no x86_64 instance type has these"),
        ("production", {"ssh_public_key": "REPLACE_WITH_YOUR_PUBLIC_KEY"}, "ssh_public_key: 'REPLACE_WITH"),
        ("production", {"database_hosts": 4, "retiring_hosts": ["db2"]}, r"only the last .* may retire: \['db4'\]"),
        ("production", {"retiring_hosts": ["db4"]}, r"\['db4'\]; there are 3 database hosts and these are not among"),
        ("production", {"retiring_hosts": ["db3"]}, "would leave 2 database hosts; 3 and each of the 3 etcd members"),
        ("production", {"etcd_members": 2}, "etcd_members: 2 on 3 database hosts; 1, 3 or 5"),
        ("production", {"database_hosts": 4, "etcd_members": 5}, "etcd_members: 5 on 4 database hosts"),
        ("production", {"database_hosts": 5, "etcd_members": 5, "retiring_hosts": ["db5"]}, "5 etcd members must stay"),
    ],
)
def test_what_cannot_work_is_refused(stack: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(stack, **settings)


def test_pools_stay_below_max_connections() -> None:
    assert read(max_connections=351).connections.needed(3) == 350
    message = r"max_connections: 350; pool sizes exceed max_connections: 3 poolers .* = 350; take more than 350"
    with pytest.raises(SettingsError, match=message):
        read(max_connections=350)


def test_what_the_settings_accept_the_sizing_of_postgresql_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "ansible/plugins/support"))
    sizing = importlib.import_module("database_sizing.connections")
    for hosts in range(1, limits.DATABASE_HOSTS_MAX + 1):
        given = Connections(max_connections=1, pooler_connections=50, direct_connections=40, reserved_connections=10)
        pools = sizing.Pools(hosts=hosts, processes=1, databases=2, per_database=50, direct=40, reserved=10)
        assert given.needed(hosts) == pools.needed(hosts)


@pytest.mark.parametrize(("connections", "least_mib"), [(58, 1024), (256, 1024), (460, 1840), (1000, 4000)])
def test_the_least_memory_of_the_settings_is_enough_for_the_sizing_of_postgresql(
    monkeypatch: pytest.MonkeyPatch, connections: int, least_mib: int
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "ansible/plugins/filter"))
    sizing = importlib.import_module("sizing")
    given = {"direct_connections": 1, "reserved_connections": 6, "max_connections": connections}
    settings = {**given, "database_hosts": 1, "pooler_connections": 25}
    message = f"{least_mib - 1}; a database host with {connections} connections needs at least {least_mib} MiB"
    with pytest.raises(SettingsError, match=message):
        read("lab", **settings, database_memory_mib=least_mib - 1)
    memory_mib = read("lab", **settings, database_memory_mib=least_mib).database_size.memory_mib
    sizing.size(memory_mib=memory_mib, cores=2, profile="tiny", hosts=1, pooler_db_connections=25, **given)


def test_the_settings_and_the_schema_of_the_contract_allow_the_same_names() -> None:
    shapes = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))["$defs"]
    assert re.compile(shapes["name"]["pattern"]) == limits.NAME
    assert re.compile(shapes["connect"]["properties"]["user"]["pattern"]) == limits.USER


def test_a_secret_setting_is_refused() -> None:
    key = f"{PROJECT}:ssh_proxy_command"
    with pytest.raises(SettingsError, match=f"{key}: kept as a secret"):
        stack_config.read(config_of("production"), project=PROJECT, stack="production", secret_keys=[key])
