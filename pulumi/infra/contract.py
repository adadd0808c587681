"""The contract: one typed object that Pulumi exports, Ansible's inventory reads and the tests verify.

`Contract.from_json(value)` refuses what the schema beside this file or the rules below don't allow (ContractError);
`contract.to_json()` gives plain JSON values back and checks them too. Needs no Pulumi.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Literal

import jsonschema

from infra.limits import DATABASE_HOSTS_MAX, ETCD_SIZES, HOSTS_FOR_FAILOVER

VERSION = 2
SCHEMA_FILE = Path(__file__).with_name("contract.schema.json")


class ContractError(ValueError):
    """A contract that can't be used; the message gives the place, the value and the remedy."""


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
    """The whole environment. Raises ContractError for what no schema can say (see `_check`)."""

    project: str
    environment: str
    network: str
    operator_network: str
    apt_mirror: str | None
    clusters: Mapping[str, Cluster]
    services: tuple[Host, ...]
    version: int = VERSION

    def __post_init__(self) -> None:
        try:
            _check(self)
        except ContractError:
            raise
        except ValueError as error:  # an address or network that only looks like one
            raise ContractError(f"contract: {error}") from error

    @classmethod
    def from_json(cls, value: object) -> "Contract":
        """Read a contract from decoded JSON; refuse another version, a foreign shape or a contradiction."""
        check_schema(value)
        assert isinstance(value, Mapping)  # noqa: S101 - the schema said so; this tells the type checker
        nested = {
            "clusters": {name: Cluster.from_json(cluster) for name, cluster in value["clusters"].items()},
            "services": tuple(Host.from_json(host) for host in value["services"]),
        }
        return cls(**{**value, **nested})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, checked against the schema before anyone can export them."""
        value: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        check_schema(value)
        return value


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def check_schema(value: object) -> None:
    """Refuse a value that is no contract of this version. Raises ContractError."""
    if not isinstance(value, Mapping) or "version" not in value:
        raise ContractError("no contract: a JSON object with `version` is expected; run `pulumi up` and read it again")
    if value["version"] != VERSION:
        raise ContractError(
            f"contract version {value['version']!r}: this checkout reads version {VERSION}; "
            "run `pulumi up` from this checkout so that it exports its own version"
        )
    error = jsonschema.exceptions.best_match(_validator().iter_errors(value))
    if error is not None:
        raise ContractError(f"contract: {error.json_path}: {error.message}; run `pulumi up` so that it is written anew")


def _check(contract: Contract) -> None:
    network = ip_network(contract.network)
    everyone = [*contract.services, *(host for cluster in contract.clusters.values() for host in cluster.hosts)]
    for field in ("name", "address"):
        twice = [value for value, count in Counter(getattr(host, field) for host in everyone).items() if count > 1]
        if twice:
            raise ContractError(f"contract: {field} {twice[0]} is used by more than one host; give each its own")
    for host in everyone:
        if ip_address(host.address) not in network:
            raise ContractError(f"contract: {host.name}'s address {host.address} lies outside of {network}")
    serving = {host.name for host in contract.services if "repository" in host.serves}
    for name, cluster in contract.clusters.items():
        active = sum(host.state == "active" for host in cluster.hosts)
        if active not in (1, *range(HOSTS_FOR_FAILOVER, DATABASE_HOSTS_MAX + 1)):
            raise ContractError(
                f"contract: cluster {name} has {active} active hosts; 1 or {HOSTS_FOR_FAILOVER} to "
                f"{DATABASE_HOSTS_MAX} are possible: set database_hosts and run `pulumi up`"
            )
        members = sum(host.etcd_member for host in cluster.hosts)
        if members not in ETCD_SIZES:
            raise ContractError(f"contract: cluster {name} has {members} etcd members; 1, 3 or 5 are possible")
        repository = cluster.repository
        if isinstance(repository, HostRepository) and repository.host not in serving:
            raise ContractError(f"contract: cluster {name} backs up to {repository.host}, which serves no repository")
        if isinstance(repository, BucketRepository):
            _check_regions(name, repository)


def _check_regions(cluster: str, repository: BucketRepository) -> None:
    if repository.second and repository.second.region == repository.region:
        raise ContractError(
            f"contract: both repositories of cluster {cluster} lie in {repository.region}; name another region in "
            "backup_second_region and run `pulumi up`"
        )
