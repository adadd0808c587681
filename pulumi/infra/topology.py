"""From settings to hosts: names, zones, addresses, volumes. Pure, so that it can be tested by properties.

Each host's place follows from its number alone, so that adding a host never moves another one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from infra import cidrs
from infra.limits import DATABASE_HOSTS_MAX
from infra.problems import Problem, SettingsError
from infra.settings import HostSize, Service, Settings
from infra.settings_rules import VOLUME_OF

CLUSTER = "main"  # a stack has one; the contract has room for more
DATABASE_OFFSET = 10  # db1 is .11 in its zone's network: room for what a cloud or a gateway reserves at the start
SERVICE_OFFSET = DATABASE_OFFSET + DATABASE_HOSTS_MAX  # service1 is .21
MOUNTS = {
    "data": "/var/lib/postgresql",
    "wal": "/var/lib/postgresql-wal",
    "etcd": "/var/lib/etcd",
    "repository": "/var/lib/pgbackrest",
    "metrics": "/var/lib/prometheus",
}

Purpose = Literal["data", "wal", "etcd", "repository", "metrics"]


@dataclass(frozen=True, kw_only=True)
class VolumePlan:
    """A block device to be made; a target says under which name the host finds it."""

    purpose: Purpose
    mount: str
    size_gib: int


@dataclass(frozen=True, kw_only=True)
class HostPlan:
    """A host to be made. `serves` is empty for database hosts."""

    name: str
    state: Literal["active", "retiring"]
    zone: str
    address: IPv4Address
    size: HostSize
    etcd_member: bool
    serves: tuple[str, ...]
    volumes: tuple[VolumePlan, ...]

    @property
    def kind(self) -> Literal["database", "service"]:
        """What it is: a host of the cluster, or one beside it."""
        return "service" if self.serves else "database"

    @property
    def is_guarded(self) -> bool:
        """Whether nothing may stop or remove it by mistake: it has a cluster's data, or all backups."""
        return self.state == "active" and (self.kind == "database" or "repository" in self.serves)


@dataclass(frozen=True, kw_only=True)
class Topology:
    """The whole environment before it has resources. `zone_networks` holds the hosts' network in each zone."""

    settings: Settings
    zone_networks: Mapping[str, IPv4Network]
    database_hosts: tuple[HostPlan, ...]
    service_hosts: tuple[HostPlan, ...]

    @property
    def hosts(self) -> tuple[HostPlan, ...]:
        """Database hosts, then service hosts."""
        return self.database_hosts + self.service_hosts

    @property
    def active_database_hosts(self) -> tuple[HostPlan, ...]:
        """Those that take part in the cluster."""
        return tuple(host for host in self.database_hosts if host.state == "active")

    @property
    def repository_host(self) -> str | None:
        """The name of the service host that has the backups, None where they lie in a bucket."""
        return next((host.name for host in self.service_hosts if "repository" in host.serves), None)


def plan(settings: Settings) -> Topology:
    """Place the hosts. Raises SettingsError when the network is too small for them."""
    networks = _zone_networks(settings)
    return Topology(
        settings=settings,
        zone_networks=networks,
        database_hosts=tuple(
            _database_host(settings, networks, number) for number in range(1, settings.database_hosts + 1)
        ),
        service_hosts=tuple(
            _service_host(settings, networks, number, service) for number, service in enumerate(settings.services, 1)
        ),
    )


def _zone_networks(settings: Settings) -> dict[str, IPv4Network]:
    if not settings.target_facts.network_per_zone:
        return dict.fromkeys(settings.zones, settings.network)
    return {zone: parts.database for zone, parts in cidrs.by_zone(settings.network, settings.zones).items()}


def _database_host(settings: Settings, networks: Mapping[str, IPv4Network], number: int) -> HostPlan:
    zone = settings.zones[(number - 1) % len(settings.zones)]
    name = f"db{number}"
    member = number <= settings.etcd_members
    volumes = [
        VolumePlan(purpose="data", mount=MOUNTS["data"], size_gib=settings.data_volume_gib),
        VolumePlan(purpose="wal", mount=MOUNTS["wal"], size_gib=settings.wal_volume_gib),
    ]
    if member:
        volumes.append(VolumePlan(purpose="etcd", mount=MOUNTS["etcd"], size_gib=settings.etcd_volume_gib))
    return HostPlan(
        name=name,
        state="retiring" if name in settings.retiring_hosts else "active",
        zone=zone,
        address=_address(networks[zone], DATABASE_OFFSET + number, name),
        size=settings.size_of(name),
        etcd_member=member,
        serves=(),
        volumes=tuple(volumes),
    )


def _service_host(settings: Settings, networks: Mapping[str, IPv4Network], number: int, service: Service) -> HostPlan:
    zone = settings.zones[(number - 1) % len(settings.zones)]
    volumes = tuple(
        VolumePlan(purpose=purpose, mount=MOUNTS[purpose], size_gib=getattr(service, f"{purpose}_volume_gib"))
        for serves, purpose in VOLUME_OF.items()
        if serves in service.serves
    )
    return HostPlan(
        name=service.name,
        state="active",
        zone=zone,
        address=_address(networks[zone], SERVICE_OFFSET + number, service.name),
        size=service.size,
        etcd_member=False,
        serves=service.serves,
        volumes=volumes,
    )


def _address(network: IPv4Network, offset: int, host: str) -> IPv4Address:
    # The last address is the network's broadcast; clouds reserve it as well.
    if offset >= network.num_addresses - 1:
        finding = f"too small: {host} needs address number {offset} of {network}, which has {network.num_addresses}"
        raise SettingsError([Problem("network", finding, "take a larger one (a smaller number after the slash)")])
    return network[offset]
