#!/usr/bin/python3
"""Ansible module: take members that left out of an etcd cluster."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.etcdctl import CONNECTION_SPEC, ENDPOINTS_SPEC, Etcdctl, EtcdctlError

DOCUMENTATION = r"""
module: etcd_leave
short_description: Take members that left out of an etcd cluster
description:
  - Removes each member that has a name and whose name is not among those that stay, one after the other.
  - Nothing to do when the host has no etcdctl and so belongs to no cluster yet.
options:
  staying: {type: list, elements: str, required: true, description: Names of the members that stay.}
  endpoints: {type: list, elements: str, required: true, description: Client URLs of the members that stay.}
  connection: {type: dict, required: true, description: File of the authority and root password.}
"""
EXAMPLES = r"""
- name: Leave
  etcd_leave: {staying: [db1], endpoints: ["https://10.0.0.11:2379"], connection: "{{ connection }}"}
"""


def main() -> None:
    """Remove the members."""
    module = AnsibleModule(
        argument_spec={
            "staying": {"type": "list", "elements": "str", "required": True},
            "endpoints": ENDPOINTS_SPEC,
            "connection": CONNECTION_SPEC,
        },
        supports_check_mode=True,
    )
    if not Path("/usr/bin/etcdctl").exists():
        module.exit_json(changed=False, left=[])
    etcdctl = Etcdctl(module, module.params["endpoints"])
    left: list[str] = []
    try:
        user = etcdctl.root()
        # A member without a name is about to join.
        leaving = [m for m in etcdctl.members(user) if m["name"] and m["name"] not in module.params["staying"]]
        for member in leaving:
            if not module.check_mode:
                etcdctl.run("member", "remove", member["id"], user=user)
            left.append(member["name"])
    except EtcdctlError as failure:
        module.fail_json(msg=f"a member cannot leave etcd (left so far: {', '.join(left) or 'none'}): {failure}")
    module.exit_json(changed=bool(left), left=left)


if __name__ == "__main__":
    main()
