"""Properties of the subnets, for any network, number of zones and hosts."""

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from infra import cidrs, limits, topology
from infra.problems import SettingsError
from infra.stack_config import read
from pulumi_recorder import PROJECT, config_of

AWS_SUBNET_PREFIX_MAX = 28  # VPC user guide, "Subnet sizing for IPv4"
RESERVED_AT_START, RESERVED_AT_END = 4, 1  # the same
NETWORKS = st.tuples(st.integers(0, 255), st.integers(16, cidrs.NETWORK_PREFIX_MAX)).map(
    lambda parts: IPv4Network((f"10.{parts[0]}.0.0", parts[1]))
)
ZONES = st.integers(1, limits.ZONES_MAX).map(lambda count: [f"zone-{number}" for number in range(count)])


@given(network=NETWORKS, zones=ZONES)
def test_no_two_subnets_overlap_and_each_lies_in_the_network(network: IPv4Network, zones: list[str]) -> None:
    made = cidrs.by_zone(network, zones)
    assert list(made) == zones
    subnets = [subnet for zone in made.values() for subnet in (zone.database, zone.public, zone.app)]
    assert all(subnet.subnet_of(network) for subnet in subnets)
    assert not any(one.overlaps(other) for one, other in combinations(subnets, 2))


@given(network=NETWORKS, zones=ZONES)
def test_every_subnet_has_a_size_that_aws_takes(network: IPv4Network, zones: list[str]) -> None:
    for zone in cidrs.by_zone(network, zones).values():
        assert all(subnet.prefixlen <= AWS_SUBNET_PREFIX_MAX for subnet in (zone.database, zone.public, zone.app))


@given(network=NETWORKS, zones=ZONES)
def test_a_zone_that_is_added_moves_no_other(network: IPv4Network, zones: list[str]) -> None:
    everything = cidrs.by_zone(network, zones)
    for count in range(len(zones)):
        assert cidrs.by_zone(network, zones[:count]).items() <= everything.items()


@given(
    prefix=st.integers(16, cidrs.NETWORK_PREFIX_MAX), count=st.integers(3, limits.ZONES_MAX), hosts=st.integers(3, 10)
)
def test_hosts_have_addresses_that_nothing_else_gets(prefix: int, count: int, hosts: int) -> None:
    zones = [f"eu-central-1{letter}" for letter in "abcd"[:count]]
    made = plan(f"10.77.0.0/{prefix}", zones=zones, database_hosts=hosts)
    subnets = cidrs.by_zone(made.settings.network, zones)
    assert made.zone_networks == {zone: parts.database for zone, parts in subnets.items()}
    for host in made.hosts:
        own = subnets[host.zone]
        assert own.hosts.subnet_of(own.database)
        assert host.address in own.hosts
        assert own.database[RESERVED_AT_START - 1] < host.address < own.database[-RESERVED_AT_END]


def test_each_number_that_a_host_may_have_is_among_them() -> None:
    (smallest,) = cidrs.by_zone(IPv4Network(f"10.77.0.0/{cidrs.NETWORK_PREFIX_MAX}"), ["zone-0"]).values()
    assert smallest.hosts.num_addresses - RESERVED_AT_END > topology.SERVICE_OFFSET + limits.SERVICE_HOSTS_MAX


@given(prefix=st.integers(cidrs.NETWORK_PREFIX_MAX + 1, 32))
def test_a_network_that_is_too_small_is_refused_with_what_would_do(prefix: int) -> None:
    with pytest.raises(SettingsError) as refusal:
        plan(f"10.77.0.0/{prefix}")
    problem = next(problem for problem in refusal.value.problems if problem.setting == "network")
    assert str(problem) == f"network: 10.77.0.0/{prefix}; /16 to /22 are possible; take a network of such a size"


def plan(network: str, **settings: object) -> topology.Topology:
    wide = {"max_connections": 5000, "operator_network": "192.168.250.0/24", "network": network}
    return topology.plan(read(config_of("production", **wide, **settings), project=PROJECT, stack="production"))
