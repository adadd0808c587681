"""Puts the contract together from the topology and what a target declared; the same way for each target."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pulumi

from infra import contract_checks
from infra.contract import VERSION
from infra.endpoints import NAMES, PORTS
from infra.secret_names import SECRETS
from infra.target import Declared
from infra.topology import CLUSTER, HostPlan, Topology


def contract(topology: Topology, declared: Declared) -> pulumi.Output[dict[str, Any]]:
    """Return the contract as JSON, checked; unknown as long as something in it is."""
    resolved = pulumi.Output.all(
        hosts={
            name: {"connect": dict(host.connect), "devices": dict(host.devices)}
            for name, host in declared.hosts.items()
        },
        repository=dict(declared.repository),
        secrets=dict(declared.secrets),
        ca_certificate=declared.ca_certificate,
        ca_private_key=declared.ca_private_key,
        endpoint_names=dict(declared.endpoint_names),
    )
    return resolved.apply(lambda known: build(topology, declared, known))


def build(topology: Topology, declared: Declared, known: Mapping[str, Any]) -> dict[str, Any]:
    """Build the contract from known values. Raises ContractError when it would not be one."""
    settings = topology.settings

    def host(plan: HostPlan) -> dict[str, Any]:
        there = known["hosts"][plan.name]
        return {
            "name": plan.name,
            "state": plan.state,
            "zone": plan.zone,
            "address": str(plan.address),
            "connect": {**there["connect"], "port": int(there["connect"]["port"])},
            "architecture": declared.architecture,
            "cores": plan.size.cores,
            "memory_mib": plan.size.memory_mib,
            "virtual": declared.virtual,
            "etcd_member": plan.etcd_member,
            "serves": list(plan.serves),
            "volumes": [
                {
                    "purpose": volume.purpose,
                    "device": there["devices"][volume.purpose],
                    "mount": volume.mount,
                    "size_gib": volume.size_gib,
                }
                for volume in plan.volumes
            ],
        }

    value = {
        "version": VERSION,
        "project": settings.project,
        "environment": settings.environment,
        "network": str(settings.network),
        "operator_network": str(settings.operator_network),
        "apt_mirror": (settings.aws and settings.aws.network.apt_mirror) or None,
        "clusters": {
            CLUSTER: {
                "hosts": [host(plan) for plan in topology.database_hosts],
                "endpoints": _endpoints(topology, known["endpoint_names"]),
                "connections": asdict(settings.connections),
                "repository": known["repository"],
                "certificate_authority": {
                    "certificate": known["ca_certificate"],
                    "private_key": known["ca_private_key"],
                },
                "secrets": {name: known["secrets"][name] for name in SECRETS},
                "clients": [str(network) for network in settings.clients],
            }
        },
        "services": [host(plan) for plan in topology.service_hosts],
    }
    return contract_checks.parse(value).to_json()


def _endpoints(topology: Topology, balanced: Mapping[str, str]) -> dict[str, Any]:
    """A balancer is one entry, by the name that certificates carry; without one each active host is an entry."""
    if balanced:
        # read_only_direct is reached by the name read_only.
        ways = {way: [f"{balanced[way.removesuffix('_direct')]}:{port}"] for way, port in PORTS.items()}
        return {**ways, "names": dict(balanced)}
    return {
        **{way: [f"{host.address}:{port}" for host in topology.active_database_hosts] for way, port in PORTS.items()},
        "names": {name: f"{prefix}.{topology.settings.environment}" for name, prefix in NAMES.items()},
    }
