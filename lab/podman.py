"""Networks and hosts by podman's command line. Used by the provider plugin, by molecule and by the lab's commands.

`podman … exists` says 1 for "missing" and 125 for "podman does not answer": the second is always an error and never
"gone", or a lab that is only down would lose its state.
"""

import json
import os
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any, Literal

from lab.errors import LabError
from lab.paths import PODMAN_SOCKET
from lab.shell import TIMEOUT_S, run

MISSING = 1
CAPABILITIES = "NET_ADMIN,SYS_ADMIN,SYS_PTRACE,SYS_NICE,IPC_LOCK"
SSH_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30
# On every host of ours, with the name of its network.
LABEL = "freelance.network"

Kind = Literal["container", "network", "image"]


@dataclass(frozen=True, kw_only=True)
class Device:
    """A block device of the machine and its name inside a host."""

    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class HostSpec:
    """Everything that decides a host. `name` is podman's name for it, `hostname` what it calls itself."""

    name: str
    hostname: str
    network: str
    address: str
    image: str
    authorized_key: str
    apt_proxy: str
    devices: tuple[Device, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def mac_address(self) -> str:
        """Fixed by the address: neighbours of a host that was made again still reach it."""
        return "02:0a:" + ":".join(f"{int(part):02x}" for part in self.address.split("."))

    def arguments(self) -> list[str]:
        """The words behind `podman run`."""
        labels = {**self.labels, "freelance.address": self.address, LABEL: self.network}
        return [
            *("--detach", "--name", self.name, "--hostname", self.hostname),
            *("--network", self.network, "--ip", self.address, "--mac-address", self.mac_address),
            *("--no-hosts", "--dns=none", "--systemd=always", "--restart", "always", "--shm-size", "1g"),
            *("--cap-add", CAPABILITIES, "--security-opt", "seccomp=unconfined"),
            # podman's own profile denies every mount; without AppArmor in the kernel the word does nothing.
            *("--security-opt", "apparmor=unconfined"),
            *("--stop-timeout", str(STOP_TIMEOUT_S)),
            *("--env", f"LAB_AUTHORIZED_KEY={self.authorized_key}", "--env", f"LAB_APT_PROXY={self.apt_proxy}"),
            *(word for key, value in labels.items() for word in ("--label", f"{key}={value}")),
            *(word for device in self.devices for word in ("--device", f"{device.source}:{device.target}:rwm")),
            self.image,
        ]


def podman(*words: str, check: bool = True, timeout: float = TIMEOUT_S) -> subprocess.CompletedProcess[str]:
    """Run podman against the lab's API socket, whatever podman the user's shell is set up for."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("CONTAINER_")}
    return run(["podman", "--url", f"unix://{PODMAN_SOCKET}", *words], check=check, timeout=timeout, env=ours)


def exists(kind: Kind, name: str) -> bool:
    """Whether podman knows it. LabError when podman does not answer: that is not the same as "missing"."""
    done = podman(kind, "exists", name, check=False)
    if done.returncode in {0, MISSING}:
        return done.returncode == 0
    raise LabError(
        f"podman does not answer, so nobody knows whether {kind} {name} exists (exit status {done.returncode}: "
        f"{done.stderr.strip()}): run `make up`, or `make status` to see what is down"
    )


def inspect(kind: Kind, name: str) -> dict[str, Any] | None:
    """What podman says about it, None when it does not exist."""
    if not exists(kind, name):
        return None
    answer: list[dict[str, Any]] = json.loads(podman(kind, "inspect", name).stdout)
    return answer[0]


def image_label(image: str, label: str) -> str | None:
    """A label of an image, None when the image or the label is missing."""
    found = inspect("image", image)
    labels = (found or {}).get("Labels") or {}
    value = labels.get(label)
    return str(value) if value is not None else None


def ensure_network(name: str, subnet: IPv4Network) -> None:
    """A bridge network whose gateway is the subnet's first address, without DNS."""
    if exists("network", name):
        return
    gateway = str(subnet[1])
    made = podman(
        "network", "create", "--subnet", str(subnet), "--gateway", gateway, "--disable-dns", name, check=False
    )
    if made.returncode and not exists("network", name):
        raise LabError(f"network {name} ({subnet}) can't be made: {made.stderr.strip()}")


def remove_network(name: str) -> None:
    """Remove a network if it exists; LabError while hosts are in it."""
    if exists("network", name):
        podman("network", "rm", name)


def hosts(network: str | None = None) -> list[dict[str, Any]]:
    """The lab's hosts, running or not, optionally of one network. Other containers are nobody's business here."""
    label = LABEL if network is None else f"{LABEL}={network}"
    answer: list[dict[str, Any]] = json.loads(
        podman("ps", "--all", "--format", "json", "--filter", f"label={label}").stdout or "[]"
    )
    return answer


def create_host(spec: HostSpec) -> None:
    """Make and start a host and wait for its SSH. A half-made one of an interrupted run is replaced."""
    podman("rm", "--force", "--ignore", "--time", "0", spec.name)
    podman("run", *spec.arguments())
    wait_for_ssh(spec.name, spec.address)


def start_host(name: str, address: str) -> None:
    """Start a stopped (or thaw a frozen) host and wait for its SSH."""
    found = inspect("container", name)
    if found is not None and found["State"]["Status"] == "paused":
        podman("unpause", name)
    podman("start", name)
    wait_for_ssh(name, address)


def stop_host(name: str) -> None:
    """Shut a host down in order."""
    podman("stop", "--time", str(STOP_TIMEOUT_S), name, timeout=STOP_TIMEOUT_S * 2)


def stop_unit(name: str, unit: str) -> None:
    """Stop a unit inside a host. Nothing is said when that fails: the host's own shutdown does it again."""
    with suppress(LabError):
        podman("exec", name, "systemctl", "stop", unit, check=False, timeout=STOP_TIMEOUT_S * 2)


def remove_host(name: str) -> None:
    """Remove a host, at once and whether it runs or not. Its volumes stay."""
    if exists("container", name):
        podman("stop", "--ignore", "--time", str(STOP_TIMEOUT_S), name, check=False, timeout=STOP_TIMEOUT_S * 2)
        podman("rm", "--force", "--ignore", "--time", "0", name)


def wait_for_ssh(name: str, address: str, timeout: float = SSH_TIMEOUT_S) -> None:
    """Wait until a greeting comes from port 22. LabError with the host's last words when none does."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            with socket.create_connection((address, 22), 1.0) as connection:
                connection.settimeout(2.0)
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            pass  # not up yet: asked again until the deadline
        if time.monotonic() > deadline:
            journal = podman("exec", name, "journalctl", "--no-pager", "--lines=10", check=False).stdout
            raise LabError(f"host {name} ({address}) has no SSH after {timeout:g} s; its last words: {journal}")
        time.sleep(0.1)


def host_key(name: str) -> str:
    """The host's public SSH key, read through podman and so never from the network that it protects.

    Empty while the host has none: its first boot makes it.
    """
    read = "cat /etc/ssh/ssh_host_ed25519_key.pub 2>/dev/null || true"
    return " ".join(podman("exec", name, "sh", "-c", read).stdout.split()[:2])
