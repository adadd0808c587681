#!/usr/bin/python3
"""Ansible module: tell whose a data directory is, and whether Patroni runs with what its files say."""

from __future__ import annotations

import re
import struct
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: patroni_identity
short_description: Tell whose a data directory is
description:
  - Changes nothing, and needs neither Patroni nor PostgreSQL. A Patroni that runs has compared both itself.
options:
  scope: {type: str, required: true, description: Name of the cluster.}
  data_dir: {type: path, required: true, description: Data directory.}
  volume:
    type: dict
    default: {}
    description: Device and mount of the volume below the data directory; looked into while it is not mounted.
  config_file: {type: path, default: /etc/patroni/config.yml, description: Patroni's configuration.}
  files: {type: list, elements: path, default: [], description: Files that Patroni reads when it is loaded.}
  wait_seconds: {type: int, default: 10, description: Seconds to wait for etcd's answer when Patroni does not run.}
"""
RETURN = r"""
active: {type: bool, description: Whether Patroni runs., returned: always}
unfinished: {type: bool, description: Whether a restore into the directory did not come to its end., returned: always}
data_directory: {type: str, description: Its identifier; empty or `none` without one., returned: always}
cluster: {type: str, description: Identifier that etcd keeps for the cluster; empty when unknown., returned: always}
answered: {type: bool, description: Whether etcd answered or had nothing to be asked., returned: always}
problem: {type: str, description: What patronictl said when etcd did not answer., returned: always}
unloaded: {type: list, description: Files newer than Patroni's last start or reload., returned: always}
"""
# pg_control begins with the system identifier and the version of its layout (catalog/pg_control.h).
PG_CONTROL = struct.Struct("=QI")
VERSIONS = range(900, 10000)
# $0 device, $1 place, $2 data directory in it. The mount ends with its private namespace, and that with the command.
# norecovery: a volume that was torn off keeps its journal for its real mount.
UNMOUNTED_LOOK = """
set -euo pipefail
mount -t xfs -o ro,norecovery,nouuid "$0" "$1" 2>/dev/null
[[ -n "$(ls -A "$1/$2" 2>/dev/null)" ]] || exit 0
od -An -tu8 -N8 "$1/$2/global/pg_control" 2>/dev/null || echo none
"""


def identifier_of(data_dir: Path) -> str:
    """Give the system identifier of a data directory, empty without files, `none` when its files are something else."""
    if not data_dir.is_dir() or not any(data_dir.iterdir()):
        return ""
    try:
        with (data_dir / "global/pg_control").open("rb") as file:
            identifier, version = PG_CONTROL.unpack(file.read(PG_CONTROL.size))
    except (OSError, struct.error):
        return "none"
    return str(identifier) if version in VERSIONS else "none"


def read_unmounted(module: AnsibleModule, data_dir: Path, device: str, mount: str) -> str:
    """Give the identifier in a volume that is not mounted yet: read-only, and mounted for this one look alone."""
    if not device or not data_dir.is_relative_to(mount) or Path(mount).is_mount() or not Path(device).is_block_device():
        return ""
    with tempfile.TemporaryDirectory(dir="/run") as place:
        look = [UNMOUNTED_LOOK, device, place, str(data_dir.relative_to(mount))]
        code, output, _ = module.run_command(["unshare", "--mount", "bash", "-c", *look])
    # Nothing to be mounted: a blank device. What else it may hold is for the role data_volume to judge.
    return output.strip() if code == 0 else ""


def cluster_of(listed: str) -> str:
    """Give the system identifier that `patronictl list` names, empty when the cluster has none yet."""
    found = re.search(r"^\+ Cluster: \S+ \((\d+)\)", listed, re.MULTILINE)
    return found[1] if found else ""


def main() -> None:
    """Look."""
    module = AnsibleModule(
        argument_spec={
            "scope": {"type": "str", "required": True},
            "data_dir": {"type": "path", "required": True},
            "volume": {"type": "dict", "default": {}},
            "config_file": {"type": "path", "default": "/etc/patroni/config.yml"},
            "files": {"type": "list", "elements": "path", "default": []},
            "wait_seconds": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    given = module.params
    data_dir, volume = Path(given["data_dir"]), given["volume"]
    found = read_unmounted(module, data_dir, volume.get("device", ""), volume.get("mount", ""))
    answer = {
        "scope": given["scope"],
        "data_directory": found or identifier_of(data_dir),
        "unfinished": (data_dir.parent / "restore.json").exists(),
        "cluster": "",
        "answered": True,
        "problem": "",
        "unloaded": [],
    }
    command = ["systemctl", "show", "patroni", "--timestamp=us+utc", "--property=ActiveState,StateChangeTimestamp"]
    status = dict(line.split("=", 1) for line in module.run_command(command)[1].splitlines() if "=" in line)
    answer["active"] = status.get("ActiveState") in {"active", "reloading"}
    if answer["active"]:
        # Each change of state counts, so a reload by anybody does.
        since = status["StateChangeTimestamp"]
        files = [file for file in given["files"] if Path(file).exists()]
        if files:
            answer["unloaded"] = module.run_command(["find", *files, "-newermt", since], check_rc=True)[1].split()
    elif Path(given["config_file"]).exists():
        command = ["timeout", str(given["wait_seconds"]), "patronictl", "-c", given["config_file"], "list"]
        code, output, error = module.run_command(command)
        answer["answered"] = code == 0
        answer["cluster"] = cluster_of(output)
        answer["problem"] = "" if code == 0 else f"status {code}: {' '.join(error.splitlines()[-1:])}"
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
