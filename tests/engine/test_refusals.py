"""Settings that can't work are refused by the user's own command, before anything is changed."""

from collections.abc import Mapping

import pytest
from engine_workspace import Engine

CASES: dict[str, tuple[Mapping[str, object], list[str]]] = {
    "a misspelt setting": (
        {"databse_hosts": 3},
        ["freelance-platform:databse_hosts: no such setting", "did you mean freelance-platform:database_hosts?"],
    ),
    "a misspelt namespace": (
        {"freelance-plattform:zones": ["a"]},
        ["freelance-plattform:zones: no such setting", "did you mean freelance-platform:zones?"],
    ),
    "a misspelt setting of the provider": ({"aws:regoin": "x"}, ["did you mean aws:region?"]),
    "two database hosts": ({"database_hosts": 2}, ["database_hosts: 2; 1 or at least 3", "cut link", "take 3"]),
    "three hosts in one zone": ({"zones": ["eu-central-1a"]}, ["zones: 1 for 3 database hosts", "name three zones"]),
    "a zone twice": ({"zones": ["eu-central-1a"] * 3}, ["name each zone once"]),
    "a zone of another region": ({"zones": ["eu-central-1a", "eu-west-1b", "eu-central-1c"]}, ["['eu-west-1b']"]),
    "an overlapping network": (
        {"operator_network": "10.20.16.0/24"},
        ["operator_network: 10.20.16.0/24 overlaps the hosts' network 10.20.0.0/16", "take another"],
    ),
    "a too small network": (
        {"network": "10.20.0.0/25"},
        ["network: too small: db1 needs address number 11 of 10.20.0.0/29, which has 8", "take a larger one"],
    ),
    "a network that is none": ({"network": "10.20.0.0/33"}, ["network: '10.20.0.0/33'"]),
    "too little memory": (
        {"database_memory_mib": 512},
        ["database_memory_mib: 512; a database host needs at least 1024 MiB", "take 1024 or more"],
    ),
    "pools larger than max_connections": (
        {"max_connections": 200},
        [
            "max_connections: 200; 3 hosts x 1 pooler processes x 2 databases x 50 + 40 direct + 10 reserved = 350",
            "take 350 or more",
        ],
    ),
    "a disk too small": ({"data_volume_gib": 1}, ["data_volume_gib: 1; 2 to 16384 GiB are possible"]),
    "a disk too large": ({"wal_volume_gib": 20000}, ["wal_volume_gib: 20000; 1 to 16384 GiB"]),
    "a size that no instance has": (
        {"database_cores": 6},
        ["database_cores: 6 with 32768 MiB; no x86_64 instance type has these", "take 2, 4, 8"],
    ),
    "an even etcd": ({"etcd_members": 2}, ["etcd_members: 2 on 3 database hosts; 1, 3 or 5"]),
    "a placeholder for the public key": ({"ssh_public_key": "REPLACE_WITH_YOUR_PUBLIC_KEY"}, ["ssh_public_key:"]),
    "a target that is none": ({"target": "awz"}, ["target: 'awz'; one of lab, aws is possible; take aws"]),
    "another host than the last retires": (
        {"database_hosts": 4, "retiring_hosts": ["db2"]},
        ["retiring_hosts: ['db2']; only the last of the 4 database hosts may retire: ['db4']"],
    ),
    "too many hosts retire": (
        {"retiring_hosts": ["db3"]},
        ["would leave 2 database hosts; 3 and each of the 3 etcd members must stay"],
    ),
}


@pytest.mark.parametrize(("settings", "messages"), CASES.values(), ids=CASES.keys())
def test_preview_refuses(engine: Engine, settings: Mapping[str, object], messages: list[str]) -> None:
    refused = engine.run("preview", settings=settings, check=False)
    shown = refused.stdout + refused.stderr
    assert refused.returncode != 0, shown
    for message in messages:
        assert message in shown
    assert "Traceback" not in shown
    assert engine.journal() == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"database_hosts": "three"}, "database_hosts"), ({"network": None}, "network"), ({"zones": "a"}, "zones")],
    ids=["a text for a number", "a setting that is missing", "a text for a list"],
)
def test_the_schema_of_the_project_refuses(engine: Engine, settings: Mapping[str, object], message: str) -> None:
    refused = engine.run("preview", settings=settings, check=False)
    assert refused.returncode != 0
    assert message in refused.stdout + refused.stderr
    assert engine.journal() == []


def test_all_problems_are_named_at_once(engine: Engine) -> None:
    refused = engine.run("preview", settings={"database_hosts": 2, "max_connections": 100}, check=False)
    shown = refused.stdout + refused.stderr
    assert "database_hosts: 2" in shown
    assert "max_connections: 100" in shown
