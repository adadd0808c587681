"""The contract: one typed object that Pulumi exports, Ansible's inventory reads and the tests verify.

Here are its dataclasses, to and from JSON; what makes one usable is in `infra.contract_checks`. Needs no Pulumi.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Volume:
    """One block device of a host and where it is mounted."""

    purpose: Literal["data", "wal", "etcd", "repository", "metrics"]
    device: str
    mount: str
    size_gib: int


@dataclass(frozen=True, kw_only=True)
class Connect:
    """How the controller reaches a host; relative files count from the repository's root."""

    host: str
    port: int
    user: str
    private_key_file: str
    known_hosts_file: str
    proxy_command: str | None


@dataclass(frozen=True, kw_only=True)
class Host:
    """A database host or a service host. It declares no leader: who leads is Patroni's at run time."""

    name: str
    state: Literal["active", "retiring"]
    zone: str
    address: str
    connect: Connect
    architecture: Literal["x86_64", "aarch64"]
    cores: int
    memory_mib: int
    virtual: Literal["vm", "container"]
    etcd_member: bool
    serves: tuple[str, ...]
    volumes: tuple[Volume, ...]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Host":
        """Build from JSON that the schema has accepted."""
        nested = {
            "connect": Connect(**value["connect"]),
            "serves": tuple(value["serves"]),
            "volumes": tuple(Volume(**volume) for volume in value["volumes"]),
        }
        return cls(**{**value, **nested})


@dataclass(frozen=True, kw_only=True)
class EndpointNames:
    """Names in certificates and in the hosts' /etc/hosts."""

    pooled: str
    direct: str
    read_only: str


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where clients connect, each `host:port`: a balancer is one entry, a plain cluster has one for each host."""

    pooled: tuple[str, ...]
    direct: tuple[str, ...]
    read_only_direct: tuple[str, ...]
    names: EndpointNames

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Endpoints":
        """Build from JSON that the schema has accepted."""
        lists = {key: tuple(value[key]) for key in ("pooled", "direct", "read_only_direct")}
        return cls(**lists, names=EndpointNames(**value["names"]))


@dataclass(frozen=True, kw_only=True)
class HostRepository:
    """Backups lie on a service host; `retention_days`: how far back a point in time stays reachable."""

    type: Literal["host"]
    host: str
    retention_days: int


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """An S3 bucket and the key that encrypts it."""

    bucket: str
    region: str
    kms_key_arn: str


@dataclass(frozen=True, kw_only=True)
class BucketRepository(Bucket):
    """Backups lie in an S3 bucket; `second` is one more, in another region: pgBackRest's repo2."""

    type: Literal["s3"]
    retention_days: int
    second: Bucket | None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "BucketRepository":
        """Build from JSON that the schema has accepted."""
        return cls(**{**value, "second": Bucket(**value["second"]) if value["second"] else None})


@dataclass(frozen=True, kw_only=True)
class CertificateAuthority:
    """References to the environment's CA."""

    certificate: str
    private_key: str


@dataclass(frozen=True, kw_only=True)
class Connections:
    """Numbers of PostgreSQL's connections and who takes them; `pooler_connections` is one pooler's to one database."""

    max_connections: int
    pooler_connections: int
    direct_connections: int
    reserved_connections: int


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One replicated PostgreSQL cluster."""

    hosts: tuple[Host, ...]
    endpoints: Endpoints
    connections: Connections
    repository: HostRepository | BucketRepository
    certificate_authority: CertificateAuthority
    secrets: Mapping[str, str]
    clients: tuple[str, ...]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Cluster":
        """Build from JSON that the schema has accepted."""
        repository = value["repository"]
        return cls(
            hosts=tuple(Host.from_json(host) for host in value["hosts"]),
            endpoints=Endpoints.from_json(value["endpoints"]),
            connections=Connections(**value["connections"]),
            repository=HostRepository(**repository)
            if repository["type"] == "host"
            else BucketRepository.from_json(repository),
            certificate_authority=CertificateAuthority(**value["certificate_authority"]),
            secrets=dict(value["secrets"]),
            clients=tuple(value["clients"]),
        )


@dataclass(frozen=True, kw_only=True)
class Contract:
    """The whole environment."""

    project: str
    environment: str
    network: str
    operator_network: str
    apt_mirror: str | None
    clusters: Mapping[str, Cluster]
    services: tuple[Host, ...]
    version: int = VERSION

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Contract":
        """Build from JSON that the schema has accepted."""
        nested = {
            "clusters": {name: Cluster.from_json(cluster) for name, cluster in value["clusters"].items()},
            "services": tuple(Host.from_json(host) for host in value["services"]),
        }
        return cls(**{**value, **nested})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        value: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return value
