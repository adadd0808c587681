"""Limits of roles, sizes of pools and max_connections add up, however many hosts there are."""

from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from .role_files import ROOT

HOSTS = (1, 3, 5, 9)
ALIASES = 2  # freelance_platform and freelance_platform_replica: without a replica both lead to one server.
PATRONI = 2
GUIDE = {
    "client_connections_max": 1000,
    "pool_connections": 20,
    "pool_connections_min": 5,
    "pool_connections_reserve": 5,
    "pool_reserve_timeout_seconds": 5,
    "database_connections_max": 50,
    "user_connections_max": 50,
}


def load(name: str) -> dict[str, Any]:
    """A YAML file whose texts Ansible takes as templates."""
    values: dict[str, Any] = DataLoader().load_from_file(str(ROOT / name), trusted_as_template=True)
    return values


POOLER = load("roles/pgbouncer/defaults/main.yml")
ACCESS = load("roles/postgresql_access/defaults/main.yml") | load("roles/postgresql_access/vars/main.yml")


def roles(poolers: int) -> dict[str, dict[str, Any]]:
    """The platform's roles by name, as so many poolers make them."""
    given = ACCESS | {"postgresql_access_poolers": poolers, "postgresql_access_table_exceptions": []}
    found = Templar(loader=DataLoader(), variables=given).template(ACCESS["__postgresql_access_roles"])
    return {role["name"]: role for role in found}


def most_per_pooler(role: str) -> int:
    """Connections that one pooler opens at most for a role, over both aliases."""
    shares = {user["name"]: int(user["connections"]) for user in POOLER["pgbouncer_user_limits"]}
    pools: int = ALIASES * (POOLER["pgbouncer_pool_connections"] + POOLER["pgbouncer_pool_connections_reserve"])
    return shares.get(role, min(pools, int(POOLER["pgbouncer_user_connections_max"])))


@pytest.mark.parametrize("poolers", HOSTS)
def test_a_role_may_open_what_all_poolers_open_for_it_and_its_direct_sessions(poolers: int) -> None:
    direct = ACCESS["__postgresql_access_direct"]
    for name in POOLER["pgbouncer_client_roles"]:
        limit = int(roles(poolers)[name].get("connection_limit", -1))
        assert limit == -1 or limit == poolers * most_per_pooler(name) + direct[name], name


@pytest.mark.parametrize("poolers", HOSTS)
def test_every_role_that_comes_directly_is_limited_to_its_direct_sessions(poolers: int) -> None:
    found = roles(poolers)
    for name, sessions in ACCESS["__postgresql_access_direct"].items():
        if name not in POOLER["pgbouncer_client_roles"]:
            assert int(found[name]["connection_limit"]) == sessions, name
    unlimited = {name for name, role in found.items() if role.get("login") and "connection_limit" not in role}
    # The pools bound two of them, max_wal_senders the third.
    assert unlimited == {"freelance_user", "pgbouncer_auth", "replicator"}


def test_direct_sessions_fit_into_what_is_left_of_max_connections_for_them() -> None:
    config = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    left = min(config["direct_connections"]["default"], ACCESS["postgresql_access_direct_connections"])
    assert sum(ACCESS["__postgresql_access_direct"].values()) + PATRONI <= left


def test_the_share_of_a_pooler_is_one_number_on_both_sides() -> None:
    shares = {user["connections"] for user in POOLER["pgbouncer_user_limits"]}
    assert shares == {ACCESS["postgresql_access_pooled_connections"]}


def test_the_guides_pools_stay_as_they_are() -> None:
    assert {name: POOLER[f"pgbouncer_{name}"] for name in GUIDE} == GUIDE


def test_monitoring_gets_in_by_the_reserved_connections() -> None:
    assert {"pg_monitor", "pg_use_reserved_connections"} == {
        entry["role"] for entry in roles(3)["monitor"]["member_of"]
    }
