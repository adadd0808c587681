"""Where the lab keeps things, and the addresses that it may use."""

import os
from ipaddress import IPv4Network
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The environment of this clone: state, keys, volumes. Git ignores it; `make destroy` removes it.
STATE = ROOT / ".lab"
# Things built once for every clone: engine, host image, downloaded packages.
CACHE = Path(
    os.environ.get("FREELANCE_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "freelance-platform"
)
# One lab at a time runs on a machine: process ids and sockets. A short path, a socket's is at most 107 bytes.
RUN = Path("/run/freelance-lab")
PODMAN_SOCKET = RUN / "podman.sock"

SSH_KEY = STATE / "ssh" / "id_ed25519"
KNOWN_HOSTS = STATE / "ssh" / "known_hosts"
VOLUMES = STATE / "volumes"
LOGS = STATE / "logs"

# Networks that hosts may use: tests of the lab itself, molecule, the lab.
NETWORKS = {
    "proof": IPv4Network("10.97.0.0/24"),
    "molecule": IPv4Network("10.98.0.0/24"),
    "lab": IPv4Network("10.99.0.0/24"),
}
# The machine's own side of the link to the hosts.
OPERATOR_NETWORK = IPv4Network("10.99.255.0/30")
OPERATOR_ADDRESS, SANDBOX_ADDRESS = "10.99.255.1", "10.99.255.2"

# Each network's gateway offers the apt cache on this port.
APT_PORT = 3142
# On the machine itself the apt cache listens on loopback only.
APT_CACHE_PORT = 3143

IMAGE_HOST = "localhost/lab/trixie:host"
IMAGE_PACKAGES = "localhost/lab/trixie:packages"
SUITE = "trixie"
