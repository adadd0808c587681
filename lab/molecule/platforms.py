"""Make or remove the hosts of a molecule scenario. Molecule names the scenario by environment variables.

    platforms.py create|destroy

`create` leaves in the scenario's folder for such things: `instance_config.yml` (how to reach the hosts) and
`ca/ca.crt`, `ca/ca.key` (an authority for this run alone). The hosts know each other's names.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lab import adhoc, podman
from lab.errors import LabError

NETWORK = "molecule"
# SSH connections to the hosts are shared: .config/molecule/config.yml names this folder too.
CONNECTIONS = Path("/tmp/freelance-molecule")  # noqa: S108  a short path, as a socket's is at most 107 bytes; mode 0700


def wishes(molecule_file: Path) -> list[adhoc.Wish]:
    """The platforms that the merged molecule.yml lists. LabError when there are none."""
    platforms: list[dict[str, Any]] = yaml.safe_load(molecule_file.read_text())["platforms"]
    if not platforms:
        raise LabError(f"{molecule_file} lists no platforms: give it at least one with a name")
    return [adhoc.Wish.parse({**platform, "volumes": volumes_of(platform)}) for platform in platforms]


def volumes_of(platform: dict[str, Any]) -> list[dict[str, Any]]:
    """Volumes are written `PURPOSE=GIB`: molecule's own schema wants a list of texts."""
    pairs = [str(text).partition("=") for text in platform.get("volumes", [])]
    return [{"name": purpose, "size_gib": size} for purpose, _, size in pairs]


def make_authority(folder: Path) -> None:
    """A self-signed certificate authority, unless the folder has one."""
    if (folder / "ca.crt").exists():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = [
        "-keyout",
        str(folder / "ca.key"),
        "-out",
        str(folder / "ca.crt"),
        "-days",
        "365",
        "-subj",
        "/CN=Molecule CA",
    ]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    subprocess.run(["openssl", "req", "-x509", *kind, *usage, *made], check=True, capture_output=True)


def introduce(hosts: list[dict[str, Any]]) -> None:
    """Write the names of all hosts into /etc/hosts of each."""
    names = "".join(f"{host['address']} {host['name']}\n" for host in hosts)
    script = "printf '127.0.0.1 localhost\\n%s' \"$1\" > /etc/hosts"
    for host in hosts:
        podman.podman("exec", host["container"], "sh", "-c", script, "sh", names)


def create(molecule_file: Path, instance_config: Path) -> None:
    """Make fresh hosts: what a broken-off run left behind goes first."""
    wanted = wishes(molecule_file)
    adhoc.destroy(NETWORK, [wish.name for wish in wanted])
    hosts = adhoc.create(NETWORK, wanted)
    introduce(hosts)
    CONNECTIONS.mkdir(mode=0o700, exist_ok=True)
    for host in hosts:
        # A connection to a former host of this address leads nowhere.
        (CONNECTIONS / host["address"]).unlink(missing_ok=True)
    make_authority(instance_config.parent / "ca")
    login = [
        {
            "instance": host["name"],
            "address": host["address"],
            "port": host["port"],
            "user": host["user"],
            "identity_file": host["private_key_file"],
        }
        for host in hosts
    ]
    instance_config.write_text(json.dumps(login, indent=2) + "\n")


def destroy(molecule_file: Path, instance_config: Path) -> None:
    """Remove the hosts and forget how they were reached."""
    adhoc.destroy(NETWORK, [wish.name for wish in wishes(molecule_file)])
    instance_config.unlink(missing_ok=True)


def main() -> int:
    """The command line."""
    actions = {"create": create, "destroy": destroy}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:  # noqa: PLR2004  the program's own name and one word
        print(__doc__, file=sys.stderr)
        return 2
    try:
        actions[sys.argv[1]](Path(os.environ["MOLECULE_FILE"]), Path(os.environ["MOLECULE_INSTANCE_CONFIG"]))
    except LabError as error:
        print(f"molecule hosts: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
