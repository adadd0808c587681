#!/usr/bin/python3
"""Ansible module: restart this host's member of etcd when all others are well."""

from __future__ import annotations

import json
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.etcdctl import CONNECTION_SPEC, Etcdctl, EtcdctlError

DOCUMENTATION = r"""
module: etcd_restart
short_description: Restart this host's member when all others are well
description:
  - Asks every other member first. One that does not answer may be the one that the same change has just stopped.
  - So a wrong setting takes one member, never the quorum, whatever the order of the hosts.
options:
  others: {type: list, elements: str, required: true, description: Client URLs of all other members; empty when alone.}
  connection: {type: dict, required: true, description: File of the authority and root password.}
  wait_seconds: {type: int, default: 30, description: Seconds to wait for the others to be well.}
"""
EXAMPLES = r"""
- name: Restart
  etcd_restart: {others: ["https://10.0.0.12:2379"], connection: "{{ connection }}"}
"""


def unwell(answer: str, others: list[str]) -> list[str]:
    """Give the URLs among `others` that `etcdctl endpoint health -w json` does not call healthy."""
    try:
        healthy = {entry["endpoint"] for entry in json.loads(answer) if entry["health"]}
    except (ValueError, KeyError, TypeError):
        healthy = set()
    return [url for url in others if url not in healthy]


def waiting_for(module: AnsibleModule, others: list[str]) -> list[str]:
    """Give those of the others that are still not well after the wait."""
    etcdctl = Etcdctl(module, others)
    end = time.monotonic() + module.params["wait_seconds"]
    while True:
        try:
            ill = unwell(etcdctl.ask("endpoint", "health", "-w", "json", user=etcdctl.root()), others)
        except EtcdctlError:
            ill = others
        if not ill or time.monotonic() > end:
            return ill
        time.sleep(1)


def main() -> None:
    """Ask the others, restart."""
    module = AnsibleModule(
        argument_spec={
            "others": {"type": "list", "elements": "str", "required": True},
            "connection": CONNECTION_SPEC,
            "wait_seconds": {"type": "int", "default": 30},
        },
        supports_check_mode=False,
    )
    others = module.params["others"]
    ill = waiting_for(module, others) if others else []
    if ill:
        module.fail_json(
            msg=f"not restarted: {', '.join(ill)} is not well, and without this member too the quorum may be lost. See "
            "journalctl -u etcd there: a setting of this run may be wrong. Correct it and run again"
        )
    code, _, error = module.run_command(["systemctl", "restart", "etcd.service"])
    if code != 0:
        module.fail_json(
            msg=f"etcd did not come back ({error.strip()}). The other members were left alone. See journalctl -u etcd, "
            "correct the setting and run again"
        )
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
