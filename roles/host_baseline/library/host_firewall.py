#!/usr/bin/python3
"""Keep one nftables table as declared, in its file and in the kernel, without locking its own caller out."""

from __future__ import annotations

import ipaddress
import os
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: host_firewall
short_description: One nftables table, in its file and in the kernel
options:
  ruleset: {type: str, required: true, description: Text that nft loads; it replaces the table.}
  path: {type: path, required: true, description: File that the boot loads.}
  table: {type: str, required: true, description: Family and name of the table.}
  ssh_sources: {type: list, elements: str, required: true, description: Networks that SSH is allowed from.}
"""
RETURN = """
differences: {type: list, description: file, live or both., returned: always}
"""


def caller() -> str | None:
    """Return the address that this play's SSH connection comes from: sudo drops it, a parent process has it."""
    process = os.getppid()
    while process > 1:
        try:
            environment = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
            status = Path(f"/proc/{process}/stat").read_text()
        except OSError:
            return None
        for variable in environment:
            if variable.startswith(b"SSH_CONNECTION="):
                return variable.partition(b"=")[2].split()[0].decode()
        process = int(status.rpartition(")")[2].split()[1])
    return None


def listing(module: AnsibleModule, table: str, *, scratch: str | None = None) -> str:
    """Return the table as nft prints it, live or as it would be after loading the file `scratch`."""
    words = ["nft", "--stateless", "list", "table", *table.split()]
    if scratch is not None:
        # A network namespace of its own: nothing that is loaded there is in force anywhere.
        words = ["unshare", "--net", "sh", "-c", 'nft --file "$1" && shift && exec "$@"', "sh", scratch, *words]
    status, out, err = module.run_command(words)
    if status and scratch is not None:
        module.fail_json(msg=f"the firewall's rules can't be loaded for comparison: {err.strip()}")
    return str(out) if status == 0 else ""


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "ruleset": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "table": {"type": "str", "required": True},
            "ssh_sources": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    given, path = module.params, Path(module.params["path"])
    address = caller()
    networks = [ipaddress.ip_network(source, strict=False) for source in given["ssh_sources"]]
    if address is not None and not any(ipaddress.ip_address(address) in network for network in networks):
        module.fail_json(
            msg=f"nothing was changed: this play comes from {address}, but SSH would be allowed from "
            f"{', '.join(given['ssh_sources'])} only, so it would lock itself out; add its network to "
            "host_baseline_ssh_sources"
        )
    if shutil.which("nft") is None:
        if module.check_mode:  # a dry run on an empty host: the package is not installed yet
            module.exit_json(changed=True, differences=["file", "live"])
        module.fail_json(msg="nft is missing on this host; run the role's install step")
    scratch = Path(module.tmpdir) / "ruleset.nft"
    scratch.write_text(given["ruleset"])
    status, _, err = module.run_command(["nft", "--check", "--file", str(scratch)])
    if status:
        module.fail_json(msg=f"nothing was changed: nft refuses the rules: {err.strip()}")
    before = path.read_text() if path.exists() else ""
    same_file = before == given["ruleset"] and path.stat().st_mode & 0o7777 == 0o644  # noqa: PLR2004  the mode of the file
    same_live = listing(module, given["table"]) == listing(module, given["table"], scratch=str(scratch))
    if not module.check_mode:
        if not same_file:
            path.write_text(given["ruleset"])
            path.chmod(0o644)
        if not same_live:
            module.run_command(["nft", "--file", str(path)], check_rc=True)
    differences = [name for name, same in (("file", same_file), ("live", same_live)) if not same]
    diff = {"before_header": str(path), "after_header": str(path), "before": before, "after": given["ruleset"]}
    module.exit_json(changed=bool(differences), differences=differences, diff=diff)


if __name__ == "__main__":
    main()
