"""The lab: hosts, network and block devices on one machine, through the provider plugin in `lab/provider`."""

import platform
from pathlib import Path

import pulumi

from infra.lab.resources import Host, HostInputs, HostVolume, Network, Volume
from infra.secret_names import SECRETS
from infra.settings import Architecture
from infra.target import Declared, DeclaredHost, connect_to
from infra.topology import HostPlan, Topology

IMAGE = "localhost/lab/trixie:host"
APT_PORT = 3142  # The gateway of each of the lab's networks offers the apt cache here
SECRETS_FILE = ".lab/secrets.yml"
RETENTION_DAYS = 30  # as on AWS by default
ARCHITECTURES: dict[str, Architecture] = {"x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def declare(topology: Topology) -> Declared:
    """Make the network, each host's volumes and the hosts. Raises RunError when the SSH key is missing."""
    settings = topology.settings
    environment = settings.environment
    network = Network(environment, name=environment, subnet=str(settings.network))
    key = _public_key(settings.ssh.private_key_file)
    hosts = {plan.name: _host(topology, plan, network, key) for plan in topology.hosts}
    return Declared(
        architecture=ARCHITECTURES[platform.machine()],
        virtual="container",
        hosts=hosts,
        repository={"type": "host", "host": topology.repository_host, "retention_days": RETENTION_DAYS},
        secrets={name: f"file:{SECRETS_FILE}#{name}" for name in SECRETS},
        ca_certificate="file:.lab/ca/ca.crt",
        ca_private_key="file:.lab/ca/ca.key",
    )


def _host(topology: Topology, plan: HostPlan, network: Network, key: str) -> DeclaredHost:
    settings = topology.settings
    devices = {volume.purpose: f"/dev/lab/{plan.name}-{volume.purpose}" for volume in plan.volumes}
    volumes = {
        volume.purpose: Volume(
            f"{plan.name}-{volume.purpose}",
            name=f"{settings.environment}-{plan.name}-{volume.purpose}",
            size_gib=volume.size_gib,
            # Protected: the data outlives its host. A host that is marked as retiring gives its volumes free.
            opts=pulumi.ResourceOptions(protect=plan.state == "active"),
        )
        for volume in plan.volumes
    }
    inputs = HostInputs(
        name=f"{settings.environment}-{plan.name}",
        hostname=plan.name,
        network=network.name,
        address=str(plan.address),
        image=IMAGE,
        volumes=[HostVolume(name=volume.name, device=devices[purpose]) for purpose, volume in volumes.items()],
        authorized_key=key,
        apt_proxy=f"http://{settings.network[1]}:{APT_PORT}",
        known_hosts_file=settings.ssh.known_hosts_file,
    )
    host = Host(plan.name, inputs)
    connect = {**connect_to(topology, plan), "host": host.address}
    return DeclaredHost(connect=connect, devices={str(purpose): path for purpose, path in devices.items()})


def _public_key(private_key_file: str) -> str:
    root = Path(pulumi.get_root_directory())
    file = root / f"{private_key_file}.pub"
    if not file.is_file():
        raise pulumi.RunError(
            f"ssh_private_key_file: {file} does not exist yet; run `make up`, which makes the key pair"
        )
    return file.read_text(encoding="utf-8").strip()
