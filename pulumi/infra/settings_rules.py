"""What settings must hold: each rule yields problems with value, limit and remedy."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from infra.aws import joint_rules
from infra.cidrs import NETWORK_PREFIX_MAX
from infra.limits import (
    DATABASE_HOSTS_MAX,
    ETCD_SIZES,
    HOSTS_FOR_FAILOVER,
    NAME,
    PRIVATE_NETWORKS,
    SERVICE_HOSTS_MAX,
    USER,
    ZONES_MAX,
    is_private,
)
from infra.problems import Problem

if TYPE_CHECKING:
    from infra.settings import HostSize, Service, Settings

DATABASES_PER_POOLER = 2  # the database and its read-only twin: PgBouncer's limits count for each of them
# Half of these are PostgreSQL's superuser_reserved_connections (3 by default), the others its reserved_connections.
RESERVED_CONNECTIONS_MIN = 6
POOLER_CONNECTIONS_MIN = 25  # PgBouncer's pool for one user, 20 and 5 more in need, must fit
PRIVATE_WORDS = ", ".join(map(str, PRIVATE_NETWORKS))
CONTRACT_SERVES = ("repository", "cache", "monitoring")
# What is served with a volume of its own: the service's setting of its size.
VOLUME_OF: dict[str, Literal["repository", "metrics"]] = {"repository": "repository", "monitoring": "metrics"}
DATABASE_MEMORY_MIB_MIN = 1024  # below, the smallest profile leaves no memory for the system
# Of the host's memory, so that the smallest profile leaves each connection its process and work_mem.
DATABASE_MEMORY_MIB_PER_CONNECTION = 4
SERVICE_MEMORY_MIB_MIN = 512
# A data volume holds an empty cluster (60 MiB) and its growth; XFS itself refuses less than 300 MiB.
VOLUME_GIB_MIN = {"data": 2, "wal": 1, "etcd": 1, "repository": 2, "metrics": 2}


@dataclass(frozen=True, kw_only=True)
class TargetFacts:
    """What differs between targets as far as settings are concerned."""

    network_per_zone: bool
    volume_gib_max: int
    prefixes: range  # sizes a network may have
    serves: tuple[str, ...]


TARGETS = {
    "lab": TargetFacts(network_per_zone=False, volume_gib_max=1024, prefixes=range(16, 29), serves=CONTRACT_SERVES),
    # Volume: EBS user guide, "General Purpose SSD volumes", gp3; other pages say 65,536: the smaller one always works.
    # Network: VPC user guide, "VPC CIDR blocks"; a smaller one than this has no room for its parts.
    "aws": TargetFacts(
        network_per_zone=True, volume_gib_max=16_384, prefixes=range(16, NETWORK_PREFIX_MAX + 1), serves=CONTRACT_SERVES
    ),
}


def problems_of(settings: "Settings") -> Iterator[Problem]:
    """Yield all that is wrong with the settings."""
    rules = (_names, _hosts, _retiring, _services, _networks, _sizes, _connections, joint_rules.problems_with)
    for rule in rules:
        yield from rule(settings)


def _names(settings: "Settings") -> Iterator[Problem]:
    words = "small letters, digits and dashes are possible, a letter first, no dash last, 41 characters at most"
    if not NAME.fullmatch(settings.environment):
        remedy = "name the stack anew (pulumi stack rename <name>)"
        yield Problem("stack", f"{settings.environment!r}; it names the environment: {words}", remedy)
    wrong = [zone for zone in settings.zones if not NAME.fullmatch(zone)]
    if wrong:
        yield Problem("zones", f"{wrong}; {words}", "write them so")
    if not USER.fullmatch(settings.ssh.user):
        finding = f"{settings.ssh.user!r}; a Linux user is needed: small letters, digits, _ and -, at most 32 of them"
        yield Problem("ssh_user", finding, "take ansible")
    for key in ("private_key_file", "known_hosts_file"):
        if not getattr(settings.ssh, key):
            yield Problem(f"ssh_{key}", "empty; a path is needed", f"pulumi config set ssh_{key} <path>")


def _hosts(settings: "Settings") -> Iterator[Problem]:
    hosts, zones, members = settings.database_hosts, settings.zones, settings.etcd_members
    if hosts < 1 or hosts == HOSTS_FOR_FAILOVER - 1:
        yield Problem(
            "database_hosts",
            f"{hosts}; 1 or at least 3 are possible"
            + (": two hosts can't tell a dead partner from a cut link, so neither may lead alone" if hosts > 1 else ""),
            "take 3 for failover, or 1",
        )
    elif hosts > DATABASE_HOSTS_MAX:
        finding = f"{hosts}; {DATABASE_HOSTS_MAX} at most: the addresses behind theirs belong to service hosts"
        yield Problem("database_hosts", finding, f"take {DATABASE_HOSTS_MAX} or fewer")
    elif hosts >= HOSTS_FOR_FAILOVER and len(set(zones)) < HOSTS_FOR_FAILOVER:
        yield Problem(
            "zones",
            f"{len(set(zones))} for {hosts} database hosts; at least 3 are needed: a lost zone may take one vote only",
            "name three zones, or take database_hosts 1",
        )
    if not zones or len(set(zones)) != len(zones):
        yield Problem("zones", f"{list(zones)}; one or more, each once, are needed", "name each zone once")
    if len(zones) > ZONES_MAX:
        yield Problem("zones", f"{len(zones)}; {ZONES_MAX} at most: the network has a part for each", "name fewer")
    if members not in ETCD_SIZES or members > max(hosts, 1):
        yield Problem(
            "etcd_members",
            f"{members} on {hosts} database hosts; 1, 3 or 5 and no more than hosts are possible",
            "leave it out, or take 3",
        )


def _retiring(settings: "Settings") -> Iterator[Problem]:
    hosts, retiring = settings.database_hosts, settings.retiring_hosts
    if not retiring:
        return
    last = {f"db{number}" for number in range(hosts - len(retiring) + 1, hosts + 1)}
    staying = hosts - len(retiring)
    gone = sorted(set(retiring) - {f"db{number}" for number in range(1, hosts + 1)})
    if gone:
        finding = f"{gone}; there are {hosts} database hosts and these are not among them"
        yield Problem("retiring_hosts", finding, "take them out of the list (pulumi config rm retiring_hosts)")
    elif set(retiring) != last:
        yield Problem(
            "retiring_hosts",
            f"{list(retiring)}; only the last of the {hosts} database hosts may retire: {sorted(last)}",
            "name those",
        )
    elif staying < max(HOSTS_FOR_FAILOVER, settings.etcd_members):
        yield Problem(
            "retiring_hosts",
            f"{list(retiring)} would leave {staying} database hosts; 3 and each of the {settings.etcd_members} "
            "etcd members must stay",
            "retire fewer",
        )


def _services(settings: "Settings") -> Iterator[Problem]:
    names = [service.name for service in settings.services]
    wrong = [name for name in names if not NAME.fullmatch(name) or re.fullmatch(r"db\d+", name)]
    if wrong or len(set(names)) != len(names) or len(names) > SERVICE_HOSTS_MAX:
        finding = (
            f"hosts {names}; up to {SERVICE_HOSTS_MAX} names, each once, of small letters, digits and dashes are "
            "possible, and none of a database host (db1, db2, …)"
        )
        yield Problem("services", finding, "name them anew, such as service1")
    known = settings.target_facts.serves
    served = [name for service in settings.services for name in service.serves]
    if set(served) - set(known) or len(set(served)) != len(served):
        finding = f"{served}; each of {list(known)} at most once is possible with target {settings.target}"
        yield Problem("services", finding, "let one host serve it, and remove the others")
    for service in settings.services:
        if not service.serves:
            yield Problem(f"services.{service.name}.serves", "nothing; a host serves something", "remove the host")
        yield from _service_volumes(settings, service)
    if settings.target == "lab" and "repository" not in served:
        yield Problem("services", "none serves the repository; backups need a place", "add repository to serves")


def _service_volumes(settings: "Settings", service: "Service") -> Iterator[Problem]:
    for serves, purpose in VOLUME_OF.items():
        key, size_gib = f"services.{service.name}.{purpose}_volume_gib", getattr(service, f"{purpose}_volume_gib")
        if serves in service.serves:
            yield from _volume(settings, key, purpose, size_gib)
        elif size_gib:
            yield Problem(key, f"{size_gib}; the host does not serve {serves}", f"remove it, or add {serves} to serves")
    if "repository" in service.serves and service.repository_volume_gib < settings.data_volume_gib:
        yield Problem(
            f"services.{service.name}.repository_volume_gib",
            f"{service.repository_volume_gib}; less than the {settings.data_volume_gib} GiB of data to be backed up",
            f"take {2 * settings.data_volume_gib} or more",
        )


def _volume(settings: "Settings", key: str, purpose: str, size_gib: int) -> Iterator[Problem]:
    least, most = VOLUME_GIB_MIN[purpose], settings.target_facts.volume_gib_max
    if not least <= size_gib <= most:
        finding = f"{size_gib}; {least} to {most} GiB are possible with target {settings.target}"
        yield Problem(key, finding, "take a size between them")


def _networks(settings: "Settings") -> Iterator[Problem]:
    network, prefixes = settings.network, settings.target_facts.prefixes
    if network.prefixlen not in prefixes:
        yield Problem(
            "network", f"{network}; /{prefixes[0]} to /{prefixes[-1]} are possible", "take a network of such a size"
        )
    if network.overlaps(settings.operator_network):
        yield Problem(
            "operator_network",
            f"{settings.operator_network} overlaps the hosts' network {network}; they must be apart",
            "take another network for one of them",
        )
    # Each is let in by the firewall, the security groups and pg_hba. The hosts' own network is none to be let in.
    sources = {"operator_network": [settings.operator_network]}
    sources["clients"] = [client for client in settings.clients if not client.subnet_of(network)]
    for key, networks in sources.items():
        public = [str(source) for source in networks if not is_private(source)]
        if public:
            finding = f"{', '.join(public)}; only private networks may be let in: parts of {PRIVATE_WORDS}"
            yield Problem(key, finding, "name the networks that the connections come from")


def _sizes(settings: "Settings") -> Iterator[Problem]:
    connections = settings.connections.max_connections
    database_least = max(DATABASE_MEMORY_MIB_MIN, DATABASE_MEMORY_MIB_PER_CONNECTION * connections)
    words = f"a database host with {connections} connections"
    yield from _size("database_", words, settings.database_size, database_least)
    for name, size in settings.database_host_sizes.items():
        key = f"database_host_sizes.{name}"
        yield from _size(f"{key}.", words, size, database_least)
        if name not in settings.database_host_names:
            finding = f"no such host; {', '.join(settings.database_host_names)} are the database hosts"
            yield Problem(key, finding, f"pulumi config rm --path {key}")
    for service in settings.services:
        yield from _size(f"services.{service.name}.", "a service host", service.size, SERVICE_MEMORY_MIB_MIN)
    for purpose in ("data", "wal", "etcd"):
        key = f"{purpose}_volume_gib"
        yield from _volume(settings, key, purpose, getattr(settings, key))


def _size(key: str, words: str, size: "HostSize", least_mib: int) -> Iterator[Problem]:
    if size.memory_mib < least_mib:
        finding = f"{size.memory_mib}; {words} needs at least {least_mib} MiB"
        yield Problem(f"{key}memory_mib", finding, f"take {least_mib} or more")
    if size.cores < 1:
        yield Problem(f"{key}cores", f"{size.cores}; at least 1 is needed", "take 1 or more")


def _connections(settings: "Settings") -> Iterator[Problem]:
    given = settings.connections
    for name, value, least in (
        ("pooler_connections", given.pooler_connections, POOLER_CONNECTIONS_MIN),
        ("direct_connections", given.direct_connections, 1),
        ("reserved_connections", given.reserved_connections, RESERVED_CONNECTIONS_MIN),
    ):
        if value < least:
            yield Problem(name, f"{value}; at least {least} is needed", f"take {least} or more")
    needed = given.needed(settings.database_hosts)
    if needed >= given.max_connections:
        yield Problem(
            "max_connections",
            f"{given.max_connections}; pool sizes exceed max_connections: {settings.database_hosts} poolers x "
            f"{DATABASES_PER_POOLER} databases x {given.pooler_connections} + {given.direct_connections} direct + "
            f"{given.reserved_connections} reserved = {needed}",
            f"take more than {needed}, or lower pooler_connections",
        )
