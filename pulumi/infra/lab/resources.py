"""The lab's resources; the provider plugin `lab/provider` makes them. Type tokens are kept for ever."""

from collections.abc import Sequence
from typing import TypedDict

import pulumi


class Network(pulumi.CustomResource):
    """A bridge network on this machine. Outputs: `name`, `subnet`."""

    name: pulumi.Output[str]
    subnet: pulumi.Output[str]

    def __init__(self, resource: str, *, name: str, subnet: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:lab:Network", resource, {"name": name, "subnet": subnet}, opts)


class Volume(pulumi.CustomResource):
    """A block device of `size_gib`. Outputs: `name`, `size_gib`, `attached`."""

    name: pulumi.Output[str]
    size_gib: pulumi.Output[int]
    attached: pulumi.Output[bool]

    def __init__(self, resource: str, *, name: str, size_gib: int, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:lab:Volume", resource, {"name": name, "size_gib": size_gib, "attached": None}, opts)


class HostVolume(TypedDict):
    """A volume and the device under which its host finds it."""

    name: pulumi.Input[str]
    device: str


class HostInputs(TypedDict):
    """`name` is podman's name, `hostname` what the host calls itself."""

    name: str
    hostname: str
    network: pulumi.Input[str]
    address: str
    image: str
    volumes: Sequence[HostVolume]
    authorized_key: str
    apt_proxy: str
    known_hosts_file: str


class Host(pulumi.CustomResource):
    """A host with systemd and SSH. Outputs: `address`, `running`, `trusted` (its key is in `known_hosts_file`)."""

    address: pulumi.Output[str]
    running: pulumi.Output[bool]
    trusted: pulumi.Output[bool]

    def __init__(self, resource: str, inputs: HostInputs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:lab:Host", resource, {**inputs, "running": None, "trusted": None}, opts)
