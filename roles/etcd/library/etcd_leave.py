#!/usr/bin/python3
"""Ansible module: take a member out of an etcd cluster."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.etcdctl import CONNECTION_SPEC, ENDPOINTS_SPEC, Etcdctl, EtcdctlError

DOCUMENTATION = r"""
module: etcd_leave
short_description: Take a member out of an etcd cluster
description:
  - Nothing to do when no member has that name, or when the host has no etcdctl and so never was one.
options:
  name: {type: str, required: true, description: Name of the member.}
  endpoints: {type: list, elements: str, required: true, description: Client URLs of the members that stay.}
  connection: {type: dict, required: true, description: File of the authority and root password.}
"""
EXAMPLES = r"""
- name: Leave
  etcd_leave: {name: db4, endpoints: ["https://10.0.0.11:2379"], connection: "{{ connection }}"}
"""


def main() -> None:
    """Remove the member."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "endpoints": ENDPOINTS_SPEC,
            "connection": CONNECTION_SPEC,
        },
        supports_check_mode=True,
    )
    if not Path("/usr/bin/etcdctl").exists():
        module.exit_json(changed=False)
    etcdctl = Etcdctl(module, module.params["endpoints"])
    try:
        user = etcdctl.root()
        leaving = [member for member in etcdctl.members(user) if member["name"] == module.params["name"]]
        for member in leaving:
            if not module.check_mode:
                etcdctl.run("member", "remove", member["id"], user=user)
    except EtcdctlError as failure:
        module.fail_json(msg=f"{module.params['name']} cannot leave etcd: {failure}")
    module.exit_json(changed=bool(leaving))


if __name__ == "__main__":
    main()
