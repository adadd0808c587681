"""The three resources over plain dictionaries: what each checks, makes, reads, changes and removes.

Each also looks at the live thing when Pulumi asks for differences: what was stopped, detached or removed behind its
back is a difference that the next `up` mends, without a refresh before it. Nothing here takes "podman does not answer"
for "gone" (see `lab.podman`).
"""

import re
from abc import ABC, abstractmethod
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, ClassVar

from lab import known_hosts, podman, volumes
from lab.errors import LabError
from lab.paths import NETWORKS, ROOT
from lab.provider.values import Plain, Unknown

NAME = re.compile(r"[a-z][a-z0-9-]{0,61}[a-z0-9]")  # host names (RFC 1123) without capitals
VOLUME_GIB_MIN = 1


class Handler(ABC):
    """One kind of resource. Inputs not in `updatable` can't change in place: the resource is made again."""

    updatable: ClassVar[frozenset[str]] = frozenset()

    def check(self, old: Plain, new: Plain) -> dict[str, str]:
        """What is wrong with the inputs: property to reason. `old` is empty for a new resource."""
        del old
        name = new.get("name")
        if isinstance(name, str) and not NAME.fullmatch(name):
            return {"name": f"{name!r}: small letters, digits and dashes, 2 to 63 of them, are allowed"}
        return {}

    @abstractmethod
    def create(self, inputs: Plain) -> Plain:
        """Make it, or take over what an interrupted run left; the outputs."""

    @abstractmethod
    def read(self, state: Plain) -> Plain | None:
        """How it is, None when it is gone."""

    def update(self, inputs: Plain) -> Plain:
        """Make it as declared."""
        return self.create(inputs)

    @abstractmethod
    def delete(self, state: Plain) -> None:
        """Remove it. What is gone already is fine."""

    def drifted(self, state: Plain) -> list[str]:
        """Outputs that are not what they were when Pulumi last looked."""
        live = self.read(state)
        if live is None:
            return ["name"]
        return [key for key, value in self.healthy.items() if live[key] != value]

    # Outputs and the value that each has while all is well.
    healthy: ClassVar[Plain] = {}


class Network(Handler):
    """A bridge network. Inputs: name, subnet (CIDR)."""

    def check(self, old: Plain, new: Plain) -> dict[str, str]:
        """Only networks that the machine has a guarded route to."""
        subnet = new.get("subnet")
        allowed = [str(network) for network in NETWORKS.values()]
        if isinstance(subnet, str) and subnet not in allowed:
            return {"subnet": f"{subnet}: the lab reaches {', '.join(allowed)}; take one of them"}
        return super().check(old, new)

    def create(self, inputs: Plain) -> Plain:
        """Make the network."""
        podman.ensure_network(inputs["name"], IPv4Network(inputs["subnet"]))
        return dict(inputs)

    def read(self, state: Plain) -> Plain | None:
        """Name and subnet as podman has them."""
        found = podman.inspect("network", state["name"])
        return None if found is None else {"name": found["name"], "subnet": found["subnets"][0]["subnet"]}

    def delete(self, state: Plain) -> None:
        """Remove the network."""
        podman.remove_network(state["name"])


class Volume(Handler):
    """A block device with data. Inputs: name, size_gib. Outputs: attached."""

    updatable = frozenset({"size_gib"})
    healthy: ClassVar[Plain] = {"attached": True}

    def check(self, old: Plain, new: Plain) -> dict[str, str]:
        """A volume never shrinks."""
        have, wanted = old.get("size_gib", VOLUME_GIB_MIN), new.get("size_gib")
        if isinstance(wanted, int):
            if wanted < VOLUME_GIB_MIN:
                return {"size_gib": f"{wanted} GiB: a volume has at least {VOLUME_GIB_MIN} GiB"}
            if wanted < have:
                return {"size_gib": volumes.shrink_message(new["name"], have, wanted)}
        return super().check(old, new)

    def create(self, inputs: Plain) -> Plain:
        """Make, grow or attach it; its data stays."""
        volumes.ensure(inputs["name"], inputs["size_gib"])
        return {**inputs, "attached": True}

    def update(self, inputs: Plain) -> Plain:
        """Grow or attach it. LabError when its file is missing."""
        if volumes.is_lost(inputs["name"]):
            raise LabError(volumes.lost_message(inputs["name"]))
        return self.create(inputs)

    def read(self, state: Plain) -> Plain | None:
        """Size and whether it is attached, None when it was removed. LabError when its file is missing otherwise.

        That is never "gone": a refresh drops what is gone, protected or not, and the next `up` would make an empty one.
        """
        found = volumes.find(state["name"])
        if found is None and volumes.is_lost(state["name"]):
            raise LabError(volumes.lost_message(state["name"]))
        if found is None:
            return None
        return {"name": found.name, "size_gib": found.size_gib, "attached": found.device is not None}

    def delete(self, state: Plain) -> None:
        """Remove it with everything on it."""
        volumes.remove(state["name"])


class Host(Handler):
    """A host. Inputs: name, hostname, network, address, image, authorized_key, apt_proxy, known_hosts_file and volumes
    [{name, device}]. Outputs: running, trusted (its host key is in known_hosts_file).
    """

    updatable = frozenset({"known_hosts_file"})
    healthy: ClassVar[Plain] = {"running": True, "trusted": True}

    def check(self, old: Plain, new: Plain) -> dict[str, str]:
        """The address has to be one of the lab's."""
        address = new.get("address")
        if isinstance(address, str) and not any(IPv4Network(address).subnet_of(net) for net in NETWORKS.values()):
            return {"address": f"{address}: in none of the lab's networks {', '.join(map(str, NETWORKS.values()))}"}
        return super().check(old, new)

    def create(self, inputs: Plain) -> Plain:
        """Make the host and wait until it takes SSH connections."""
        devices = tuple(
            podman.Device(source=volumes.attach(volume["name"]), target=volume["device"])
            for volume in inputs["volumes"]
        )
        podman.create_host(
            podman.HostSpec(
                name=inputs["name"],
                hostname=inputs["hostname"],
                network=inputs["network"],
                address=inputs["address"],
                image=inputs["image"],
                authorized_key=inputs["authorized_key"],
                apt_proxy=inputs["apt_proxy"],
                devices=devices,
            )
        )
        return self._trust(inputs)

    def update(self, inputs: Plain) -> Plain:
        """Start what was stopped, make what was removed."""
        if not podman.exists("container", inputs["name"]):
            return self.create(inputs)
        for volume in inputs["volumes"]:
            volumes.attach(volume["name"])
        podman.start_host(inputs["name"], inputs["address"])
        return self._trust(inputs)

    def read(self, state: Plain) -> Plain | None:
        """Where it is and whether it runs; the rest is as declared."""
        found = podman.inspect("container", state["name"])
        if found is None:
            return None
        labels = found["Config"]["Labels"]
        running = found["State"]["Status"] == "running"
        known = known_hosts.key_of(_known_hosts(state), labels["freelance.address"])
        return {
            **state,
            "hostname": found["Config"]["Hostname"],
            "network": labels["freelance.network"],
            "address": labels["freelance.address"],
            "running": running,
            # A run that was killed may have made the host anew and not have come to writing its key down.
            "trusted": known is not None and (not running or known == podman.host_key(state["name"])),
        }

    def delete(self, state: Plain) -> None:
        """Shut it down and remove it. Its volumes stay."""
        podman.remove_host(state["name"])
        known_hosts.forget(_known_hosts(state), state["address"])

    def _trust(self, inputs: Plain) -> Plain:
        known_hosts.write(_known_hosts(inputs), inputs["address"], podman.host_key(inputs["name"]))
        return {**inputs, "running": True, "trusted": True}


def _known_hosts(values: Plain) -> Path:
    return ROOT / str(values["known_hosts_file"])


HANDLERS: dict[str, Handler] = {
    "freelance:lab:Network": Network(),
    "freelance:lab:Volume": Volume(),
    "freelance:lab:Host": Host(),
}


def changed_inputs(state: Plain, inputs: Plain) -> list[str]:
    """Inputs that are not what the state says; an input that is not known yet counts as changed."""
    return [key for key, value in inputs.items() if not _same(state.get(key), value)]


def _same(old: Any, new: Any) -> bool:
    return not isinstance(new, Unknown) and bool(old == new)
