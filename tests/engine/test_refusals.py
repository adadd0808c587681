"""Settings that can't work are refused by the user's own command, before anything of a stack in use is changed.

All problems are named at once, so one run shows several; tests/unit/pulumi has each of them alone.
"""

from collections.abc import Callable, Mapping

import pytest
from engine_workspace import Engine

CASES: dict[str, tuple[Mapping[str, object], list[str]]] = {
    "unknown and misspelt settings and namespaces": (
        {"databse_hosts": 3, "freelance-plattform:zones": ["a"], "aws:regoin": "x", "target": "awz"},
        [
            "freelance-platform:databse_hosts: no such setting; did you mean freelance-platform:database_hosts?",
            "freelance-plattform:zones: no such setting; did you mean freelance-platform:zones?",
            "aws:regoin: no such setting; did you mean aws:region?",
            "target: 'awz'; one of lab, aws is possible; take aws",
        ],
    ),
    "hosts, memory, pools and disks": (
        {
            "database_hosts": 2,
            "etcd_members": 4,
            "database_memory_mib": 512,
            "max_connections": 200,
            "data_volume_gib": 1,
            "wal_volume_gib": 20000,
            "operator_network": "10.20.16.0/24",
            "ssh_public_key": "REPLACE_WITH_YOUR_PUBLIC_KEY",
        },
        [
            "database_hosts: 2; 1 or at least 3 are possible: two hosts can't tell a dead partner from a cut link",
            "etcd_members: 4 on 2 database hosts; 1, 3 or 5",
            "database_memory_mib: 512; a database host with 200 connections needs at least 1024 MiB; take 1024 or more",
            "max_connections: 200; pool sizes exceed max_connections: 2 poolers x 2 databases x 50 + 40 direct + 10",
            "take more than 250",
            "data_volume_gib: 1; 2 to 16384 GiB are possible",
            "wal_volume_gib: 20000; 1 to 16384 GiB are possible",
            "operator_network: 10.20.16.0/24 overlaps the hosts' network 10.20.0.0/16",
            "ssh_public_key: 'REPLACE_WITH_YOUR_PUBLIC_KEY'; no public key of OpenSSH: new hosts would let nobody in",
        ],
    ),
    "three hosts in one zone, a zone elsewhere, a size that no instance has": (
        {"zones": ["eu-west-1b"], "database_cores": 6, "database_hosts": 3, "retiring_hosts": ["db2"]},
        [
            "zones: 1 for 3 database hosts; at least 3 are needed",
            "name three zones",
            "zones: ['eu-west-1b']; zones of aws:region eu-central-1 are needed",
            "database_cores: 6 with 32768 MiB; no x86_64 instance type has these; take 2, 4, 8",
            "retiring_hosts: ['db2']; only the last of the 3 database hosts may retire: ['db3']",
        ],
    ),
    "names and networks that the contract or a firewall would not take": (
        {
            "zones": ["eu-central-1a", "EU_1", "eu-central-1c"],
            "ssh_user": "",
            "clients": ["0.0.0.0/0"],
            "database_hosts": 11,
        },
        [
            "zones: ['EU_1']; small letters, digits and dashes are possible",
            "ssh_user: ''; a Linux user is needed",
            "clients: 0.0.0.0/0; only private networks may be let in: parts of 10.0.0.0/8",
            "database_hosts: 11; 10 at most",
        ],
    ),
    "a network too small for the hosts": (
        {"network": "10.20.0.0/25"},
        ["network: 10.20.0.0/25; /16 to /22 are possible; take a network of such a size"],
    ),
}


@pytest.fixture(scope="module")
def unchanged(production: Engine) -> Callable[[], bool]:
    """A stack with all its resources, and whether its state and what the provider was asked are still the same."""

    def seen() -> tuple[dict[str, object], list[dict[str, str]]]:
        return {resource["urn"]: resource for resource in production.state()}, production.journal()  # in whatever order

    before = seen()
    assert all(before)
    return lambda: seen() == before


@pytest.mark.parametrize(("settings", "messages"), CASES.values(), ids=CASES.keys())
def test_preview_refuses(
    production: Engine, unchanged: Callable[[], bool], settings: Mapping[str, object], messages: list[str]
) -> None:
    refused = production.run("preview", settings=settings, check=False)
    shown = refused.stdout + refused.stderr
    assert refused.returncode != 0, shown
    for message in messages:
        assert message in shown
    assert "Traceback" not in shown
    assert unchanged()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"database_hosts": "three"}, "database_hosts"),
        ({"network": None}, "network"),
        ({"zones": "a"}, "zones"),
        ({"database_host_sizes": ["db2"]}, "database_host_sizes"),
    ],
    ids=["a text for a number", "a setting that is missing", "a text for a list", "a list for an object"],
)
def test_the_schema_of_the_project_refuses(
    production: Engine, unchanged: Callable[[], bool], settings: Mapping[str, object], message: str
) -> None:
    refused = production.run("preview", settings=settings, check=False)
    assert refused.returncode != 0
    assert message in refused.stdout + refused.stderr
    assert unchanged()


def test_up_refuses_too_and_changes_no_resource(production: Engine, unchanged: Callable[[], bool]) -> None:
    refused = production.run("up", "--yes", "--skip-preview", settings={"database_hosts": 2}, check=False)
    assert refused.returncode != 0
    assert "database_hosts: 2" in refused.stdout + refused.stderr
    assert unchanged()
