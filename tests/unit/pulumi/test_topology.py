"""Properties of the topology, for any number of hosts, zones and networks."""

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from infra import cidrs, limits, stack_config, topology
from infra.problems import SettingsError
from infra.settings import HostSize
from infra.topology import Topology
from pulumi_recorder import PROJECT, config_of

HOSTS = st.one_of(st.just(1), st.integers(3, 10))
ZONES = st.integers(3, limits.ZONES_MAX).map(lambda count: [f"eu-central-1{letter}" for letter in "abcd"[:count]])
NETWORKS = st.tuples(st.integers(0, 255), st.integers(16, cidrs.NETWORK_PREFIX_MAX)).map(
    lambda p: str(IPv4Network((f"10.{p[0]}.0.0", p[1])))
)


def plan(stack: str, **settings: object) -> Topology:
    wide = {"max_connections": 5000, "database_memory_mib": 32768, "operator_network": "192.168.250.0/24"}
    settings = {**wide, **settings}
    return topology.plan(stack_config.read(config_of(stack, **settings), project=PROJECT, stack=stack))


@given(hosts=HOSTS, zones=ZONES, network=NETWORKS)
def test_no_two_hosts_or_zones_overlap(hosts: int, zones: list[str], network: str) -> None:
    made = plan("production", database_hosts=hosts, zones=zones, network=network)
    addresses = [host.address for host in made.hosts]
    assert len(set(addresses)) == len(addresses) == hosts + 1
    parts = list(made.zone_networks.values())
    assert not any(a.overlaps(b) for n, a in enumerate(parts) for b in parts[:n])
    for host in made.hosts:
        own = made.zone_networks[host.zone]
        assert own.subnet_of(IPv4Network(network))
        assert host.address in own
        # A cloud reserves the first four addresses of a subnet and the last one.
        assert own[3] < host.address < own[-1]


@pytest.mark.parametrize("stack", ["production", "lab"])
@pytest.mark.parametrize("count", [1, 3, limits.ZONES_MAX])
def test_every_number_of_hosts_that_is_allowed_has_addresses_of_its_own(stack: str, count: int) -> None:
    names = [f"eu-central-1{letter}" for letter in "abcd"[:count]]
    for hosts in (1, *range(3, limits.DATABASE_HOSTS_MAX + 1)):
        if hosts == 1 or count > 1:
            addresses = [host.address for host in plan(stack, database_hosts=hosts, zones=names).hosts]
            assert len(set(addresses)) == hosts + 1


@given(hosts=st.integers(3, 9), zones=ZONES)
def test_an_added_host_moves_no_other(hosts: int, zones: list[str]) -> None:
    before = plan("production", database_hosts=hosts, zones=zones)
    after = plan("production", database_hosts=hosts + 1, zones=zones)
    assert after.database_hosts[:-1] == before.database_hosts
    assert after.service_hosts == before.service_hosts
    assert after.zone_networks == before.zone_networks


@given(zones=ZONES)
def test_growing_from_one_host_keeps_the_first(zones: list[str]) -> None:
    assert plan("production", database_hosts=3, zones=zones).database_hosts[:1] == (
        plan("production", database_hosts=1, zones=zones).database_hosts
    )


@given(hosts=HOSTS, zones=ZONES)
def test_hosts_go_round_the_zones(hosts: int, zones: list[str]) -> None:
    made = plan("production", database_hosts=hosts, zones=zones)
    counts = [sum(host.zone == zone for host in made.database_hosts) for zone in zones]
    assert max(counts) - min(counts) <= 1
    assert made.database_hosts[0].zone == zones[0]


@given(hosts=HOSTS, members=st.sampled_from([0, 1, 3, 5]))
def test_etcd_runs_on_the_first_hosts_which_alone_have_its_volume(hosts: int, members: int) -> None:
    if members > hosts:
        return
    made = plan("production", database_hosts=hosts, etcd_members=members)
    expected = members or min(hosts, 3)
    assert [host.etcd_member for host in made.database_hosts] == [n < expected for n in range(hosts)]
    for host in made.database_hosts:
        purposes = ["data", "wal", "etcd"] if host.etcd_member else ["data", "wal"]
        assert [volume.purpose for volume in host.volumes] == purposes
        assert len({volume.mount for volume in host.volumes}) == len(purposes)


@given(hosts=st.integers(4, 10), count=st.integers(1, 7))
def test_the_last_hosts_retire(hosts: int, count: int) -> None:
    names = [f"db{number}" for number in range(hosts - count + 1, hosts + 1)]
    if hosts - count < 3:
        with pytest.raises(SettingsError, match="retiring_hosts"):
            plan("production", database_hosts=hosts, retiring_hosts=names)
        return
    made = plan("production", database_hosts=hosts, retiring_hosts=names)
    assert [host.name for host in made.database_hosts if host.state == "retiring"] == names


@pytest.mark.parametrize("stack", ["production", "lab"])
def test_a_host_has_its_own_size_where_it_is_given_one(stack: str) -> None:
    common = plan(stack).database_hosts[0].size
    made = plan(stack, database_host_sizes={"db2": {"cores": 16, "memory_mib": 65536}})
    assert [host.size for host in made.database_hosts] == [common, HostSize(cores=16, memory_mib=65536), common]


def test_the_lab_has_one_network_for_all_zones() -> None:
    made = plan("lab")
    assert {str(network) for network in made.zone_networks.values()} == {"10.99.0.0/24"}
    assert [str(host.address) for host in made.hosts] == ["10.99.0.11", "10.99.0.12", "10.99.0.13", "10.99.0.21"]


@given(prefix=st.integers(16, 28), hosts=st.integers(3, 10))
def test_a_network_fits_or_is_refused(prefix: int, hosts: int) -> None:
    try:
        made = plan("production", network=f"10.77.0.0/{prefix}", database_hosts=hosts)
    except SettingsError as error:
        assert f"network: 10.77.0.0/{prefix}; /16 to /22 are possible" in str(error)  # noqa: PT017 - the other way out
        assert prefix > 22
    else:
        assert len({host.address for host in made.hosts}) == hosts + 1
