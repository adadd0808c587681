"""A stack's settings as frozen dataclasses that refuse what can't work, before anything is changed.

Pure: nothing of Pulumi. `infra.stack_config` reads them from a stack's configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal

from infra.aws.settings import AwsSettings
from infra.problems import SettingsError
from infra.settings_rules import DATABASES_PER_POOLER, TARGETS, TargetFacts, problems_of

Target = Literal["lab", "aws"]
Architecture = Literal["x86_64", "aarch64"]


@dataclass(frozen=True, kw_only=True)
class HostSize:
    """Cores and memory of one kind of host."""

    cores: int
    memory_mib: int


@dataclass(frozen=True, kw_only=True)
class Service:
    """A host beside the database hosts and what it serves; a volume of 0 GiB: none."""

    name: str
    serves: tuple[str, ...]
    size: HostSize
    repository_volume_gib: int
    metrics_volume_gib: int


@dataclass(frozen=True, kw_only=True)
class Ssh:
    """How the controller reaches the hosts; empty `proxy_command`: directly."""

    user: str
    private_key_file: str
    known_hosts_file: str
    proxy_command: str


@dataclass(frozen=True, kw_only=True)
class Connections:
    """PostgreSQL's connections and who takes them; `pooler_connections` is one pooler's to one database."""

    max_connections: int
    pooler_connections: int
    direct_connections: int
    reserved_connections: int

    def needed(self, hosts: int) -> int:
        """Return how many connections may be open at once: each host has a pooler."""
        pooled = hosts * DATABASES_PER_POOLER * self.pooler_connections
        return pooled + self.direct_connections + self.reserved_connections


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One environment. Raises SettingsError with all problems at once."""

    project: str
    environment: str
    target: Target
    network: IPv4Network
    operator_network: IPv4Network
    zones: tuple[str, ...]
    clients: tuple[IPv4Network, ...]
    database_hosts: int
    retiring_hosts: tuple[str, ...]
    etcd_members: int
    database_size: HostSize
    database_host_sizes: Mapping[str, HostSize]  # by name: hosts of another size than `database_size`
    services: tuple[Service, ...]
    data_volume_gib: int
    wal_volume_gib: int
    etcd_volume_gib: int
    architecture: Architecture
    connections: Connections
    ssh: Ssh
    aws: AwsSettings | None  # with target aws

    def __post_init__(self) -> None:
        problems = list(problems_of(self))
        if problems:
            raise SettingsError(problems)

    @property
    def database_host_names(self) -> tuple[str, ...]:
        """Names of the database hosts, retiring ones too."""
        return tuple(f"db{number}" for number in range(1, self.database_hosts + 1))

    def size_of(self, database_host: str) -> HostSize:
        """Return the size of a database host: its own, else the common one."""
        return self.database_host_sizes.get(database_host, self.database_size)

    @property
    def target_facts(self) -> TargetFacts:
        """What the chosen target allows."""
        return TARGETS[self.target]
