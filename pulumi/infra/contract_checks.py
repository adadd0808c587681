"""Which contracts can be used: those that the schema beside this file and the rules below allow. Needs no Pulumi."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import jsonschema

from infra.contract import VERSION, Cluster, Contract, Host, HostRepository
from infra.limits import DATABASE_HOSTS_MAX, ETCD_SIZES, HOSTS_FOR_FAILOVER

SCHEMA_FILE = Path(__file__).with_name("contract.schema.json")


class ContractError(ValueError):
    """A contract that can't be used; the message gives the place, the value and the remedy."""


def parse(value: object) -> Contract:
    """Return the contract that a decoded JSON value is.

    Raises ContractError for another version, a foreign shape and a contradiction, which no schema can tell.
    """
    contract = Contract.from_json(_of_schema(value))
    hosts = [*contract.services, *(host for cluster in contract.clusters.values() for host in cluster.hosts)]
    _check_unique(hosts)
    _check_addresses(contract.network, hosts)
    for name, cluster in contract.clusters.items():
        _check_members(name, cluster)
        _check_repository(name, cluster, contract.services)
    return contract


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def _of_schema(value: object) -> Mapping[str, Any]:
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
    return value


def _check_unique(hosts: Sequence[Host]) -> None:
    for field in ("name", "address"):
        twice = [value for value, count in Counter(getattr(host, field) for host in hosts).items() if count > 1]
        if twice:
            raise ContractError(f"contract: {field} {twice[0]} is used by more than one host; give each its own")


def _check_addresses(network: str, hosts: Sequence[Host]) -> None:
    try:
        outside = [host for host in hosts if ip_address(host.address) not in ip_network(network)]
    except ValueError as error:  # an address or network that only looks like one
        raise ContractError(f"contract: {error}") from error
    if outside:
        raise ContractError(f"contract: {outside[0].name}'s address {outside[0].address} lies outside of {network}")


def _check_members(name: str, cluster: Cluster) -> None:
    active = sum(host.state == "active" for host in cluster.hosts)
    if active not in (1, *range(HOSTS_FOR_FAILOVER, DATABASE_HOSTS_MAX + 1)):
        raise ContractError(
            f"contract: cluster {name} has {active} active hosts; 1 or {HOSTS_FOR_FAILOVER} to {DATABASE_HOSTS_MAX} "
            "are possible: set database_hosts and run `pulumi up`"
        )
    members = sum(host.etcd_member for host in cluster.hosts)
    if members not in ETCD_SIZES:
        raise ContractError(f"contract: cluster {name} has {members} etcd members; 1, 3 or 5 are possible")


def _check_repository(name: str, cluster: Cluster, services: Sequence[Host]) -> None:
    repository = cluster.repository
    if isinstance(repository, HostRepository):
        if repository.host not in {service.name for service in services if "repository" in service.serves}:
            raise ContractError(f"contract: cluster {name} backs up to {repository.host}, which serves no repository")
    elif repository.second and repository.second.region == repository.region:
        raise ContractError(
            f"contract: both repositories of cluster {name} lie in {repository.region}; name another region in "
            "backup_second_region and run `pulumi up`"
        )
