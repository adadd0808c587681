"""Hosts outside the declared site: molecule's and anybody's throwaway ones. The address is the first free one.

lab/run hosts create --network molecule --name try1 --volume data=2     prints the host as JSON
lab/run hosts create --network molecule < platforms.json                several at once
lab/run hosts destroy --network molecule --name try1
"""

import argparse
import fcntl
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lab import keys, known_hosts, podman, volumes
from lab.errors import LabError
from lab.paths import APT_PORT, IMAGE_HOST, IMAGE_PACKAGES, KNOWN_HOSTS, NETWORKS, SSH_KEY, STATE

FIRST_OCTET = 11
IMAGES = {"host": IMAGE_HOST, "packages": IMAGE_PACKAGES}
LABEL = "freelance.adhoc"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A host that somebody asks for. `volumes` maps a purpose to a size in GiB."""

    name: str
    volumes: dict[str, int]
    image: str = "packages"

    @classmethod
    def parse(cls, value: dict[str, Any]) -> "Wish":
        """From a molecule platform: name, volumes [{name, size_gib}], image. LabError for anything else."""
        try:
            sizes = {str(item["name"]): int(item["size_gib"]) for item in value.get("volumes", [])}
            wish = cls(name=str(value["name"]), volumes=sizes, image=str(value.get("image", "packages")))
        except (KeyError, TypeError, ValueError) as error:
            raise LabError(f"platform {value!r}: needs name, optional volumes [{{name, size_gib}}], image") from error
        if wish.image not in IMAGES:
            raise LabError(f"platform {wish.name}: image {wish.image!r} is none of {', '.join(IMAGES)}")
        return wish


def create(network: str, wishes: list[Wish]) -> list[dict[str, Any]]:
    """Make the hosts side by side; one that exists already is started and kept."""
    podman.ensure_network(network, NETWORKS[network])
    key = keys.ensure_key()
    with (STATE / f"{network}.lock").open("w") as lock:
        # Held until the hosts exist: two scenarios at a time never get the same address.
        fcntl.flock(lock, fcntl.LOCK_EX)
        addresses = _addresses(network, [wish.name for wish in wishes])
        with ThreadPoolExecutor(max_workers=4) as pool:
            return list(pool.map(lambda wish: _create(network, wish, addresses[wish.name], key), wishes))


def destroy(network: str, names: list[str]) -> None:
    """Remove hosts and their volumes. What is not there is fine."""
    for name in names:
        host = f"{network}-{name}"
        found = podman.inspect("container", host)
        if found is None:
            continue
        labels = found["Config"]["Labels"]
        if labels.get(LABEL) != "yes":
            raise LabError(f"{host} is a host of the declared site and not yours to remove: use `pulumi destroy`")
        podman.podman("rm", "--force", "--ignore", "--time", "0", host)
        for volume in filter(None, labels["freelance.volumes"].split(",")):
            volumes.remove(volume)
        known_hosts.forget(KNOWN_HOSTS, labels["freelance.address"])


def _addresses(network: str, names: list[str]) -> dict[str, str]:
    taken = {
        item["Labels"]["freelance.address"]: item["Names"][0].removeprefix(f"{network}-")
        for item in podman.hosts(network)
    }
    mine = {name: address for address, name in taken.items() if name in names}
    free = (str(address) for address in list(NETWORKS[network].hosts())[FIRST_OCTET - 1 :] if str(address) not in taken)
    return {name: mine.get(name) or next(free) for name in names}


def _create(network: str, wish: Wish, address: str, key: str) -> dict[str, Any]:
    host = f"{network}-{wish.name}"
    attached = {purpose: volumes.ensure(f"{host}-{purpose}", size) for purpose, size in wish.volumes.items()}
    targets = {purpose: f"/dev/lab/{wish.name}-{purpose}" for purpose in attached}
    if podman.exists("container", host):
        podman.start_host(host, address)
    else:
        devices = tuple(
            podman.Device(source=str(volume.device), target=targets[purpose]) for purpose, volume in attached.items()
        )
        podman.create_host(
            podman.HostSpec(
                name=host,
                hostname=wish.name,
                network=network,
                address=address,
                image=IMAGES[wish.image],
                authorized_key=key,
                apt_proxy=f"http://{NETWORKS[network][1]}:{APT_PORT}",
                devices=devices,
                labels={LABEL: "yes", "freelance.volumes": ",".join(volume.name for volume in attached.values())},
            )
        )
    known_hosts.write(KNOWN_HOSTS, address, podman.host_key(host))
    return {
        "name": wish.name,
        "address": address,
        "port": 22,
        "user": "ansible",
        "private_key_file": str(SSH_KEY),
        "known_hosts_file": str(KNOWN_HOSTS),
        "container": host,
        "volumes": [
            {"name": purpose, "device": targets[purpose], "size_gib": size} for purpose, size in wish.volumes.items()
        ],
    }


def main(words: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="lab/run hosts", description=__doc__, formatter_class=_Formatter)
    parser.add_argument("action", choices=["create", "destroy"])
    parser.add_argument("--network", choices=sorted(NETWORKS), required=True)
    parser.add_argument("--name", help="without it, a JSON list of platforms is read from standard input")
    parser.add_argument("--volume", action="append", default=[], metavar="PURPOSE=GIB")
    parser.add_argument("--image", choices=sorted(IMAGES), default="packages")
    given = parser.parse_args(words)
    if given.name:
        sizes = [{"name": name, "size_gib": size} for name, _, size in (item.partition("=") for item in given.volume)]
        platforms = [{"name": given.name, "volumes": sizes, "image": given.image}]
    else:
        platforms = json.load(sys.stdin)
    wishes = [Wish.parse(platform) for platform in platforms]
    if given.action == "destroy":
        destroy(given.network, [wish.name for wish in wishes])
    else:
        print(json.dumps(create(given.network, wishes), indent=2))
    return 0


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the examples as they are written."""
