"""What a target (`infra.aws`, `infra.lab`) gives: a function `declare(topology) -> Declared` that makes the resources.

A target turns one topology into resources and says how each host is reached and where its volumes appear. The contract
is put together from the topology and this, in the same way for each target (`infra.export`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pulumi

from infra.ports import SSH
from infra.settings import Architecture
from infra.topology import HostPlan, Topology


@dataclass(frozen=True, kw_only=True)
class DeclaredHost:
    """One host that exists: `connect` is the contract's object; `devices` maps a volume's purpose to its path."""

    connect: Mapping[str, pulumi.Input[str | int | None]]
    devices: Mapping[str, pulumi.Input[str]]


@dataclass(frozen=True, kw_only=True)
class Declared:
    """All that only the target knows.

    `hosts` by name, one for each host of the topology; `repository` is the contract's object;
    `secrets`, `ca_certificate` and `ca_private_key` give the contract's references, never a value.
    `endpoint_names`: full names of the endpoints, which lead to one balancer; empty where clients list the hosts.
    """

    architecture: Architecture
    virtual: Literal["vm", "container"]
    hosts: Mapping[str, DeclaredHost]
    repository: Mapping[str, object]  # texts, numbers and outputs
    secrets: Mapping[str, pulumi.Input[str]]  # by name, one for each of `infra.secret_names.SECRETS`
    ca_certificate: pulumi.Input[str]
    ca_private_key: pulumi.Input[str]
    endpoint_names: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


Declare = Callable[[Topology], Declared]


def connect_to(
    topology: Topology, host: HostPlan, proxy_command: pulumi.Input[str] | None = None
) -> dict[str, pulumi.Input[str | int | None]]:
    """Return the contract's `connect` for a host; without a ProxyCommand of the target's the settings' own counts.

    In it `{private_key_file}` and `{known_hosts_file}` stand for the controller's paths of these files.
    """
    ssh = topology.settings.ssh
    return {
        "host": str(host.address),
        "port": SSH,
        "user": ssh.user,
        "private_key_file": ssh.private_key_file,
        "known_hosts_file": ssh.known_hosts_file,
        "proxy_command": (ssh.proxy_command or None) if proxy_command is None else proxy_command,
    }
