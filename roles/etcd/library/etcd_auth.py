#!/usr/bin/python3
"""Ansible module: users, their roles and passwords in etcd, and that passwords are required at all."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.etcdctl import CONNECTION_SPEC, ENDPOINTS_SPEC, Etcdctl, EtcdctlError

DOCUMENTATION = r"""
module: etcd_auth
short_description: Require passwords in etcd and keep its users as declared
description:
  - Each user has a role of its own name that reads and writes below one prefix, and nothing else.
  - Passwords are tried, never read; a wrong one is set again. Undeclared users lose their access and are removed.
options:
  endpoints: {type: list, elements: str, required: true, description: Client URLs.}
  connection: {type: dict, required: true, description: File of the authority and root password.}
  users: {type: list, elements: dict, required: true, description: Users as name, password, prefix.}
  members: {type: list, elements: str, required: true, description: Declared members; others are reported.}
"""
EXAMPLES = r"""
- name: Require passwords
  etcd_auth: {endpoints: ["https://10.0.0.11:2379"], connection: "{{ c }}", users: [], members: [db1]}
"""
READ_WRITE = 2


def range_end(prefix: str) -> str:
    """Give the first key behind all keys that start with `prefix`."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


class Access:
    """What etcd has and what it should have; each difference is mended and remembered."""

    def __init__(self, module: Any, etcdctl: Etcdctl) -> None:
        """Find out whether passwords are required and read the users."""
        self.module = module
        self.etcdctl = etcdctl
        self.changes: list[str] = []
        self.root = etcdctl.root()
        listed = json.loads(etcdctl.run("user", "list", "-w", "json", user=self.root))
        self.users: list[str] = listed.get("users") or []
        roles = json.loads(etcdctl.run("role", "list", "-w", "json", user=self.root))
        self.roles: list[str] = roles.get("roles") or []

    def change(self, what: str, *command: str, standard_input: str | None = None) -> None:
        """Run a command that changes something, unless in check mode."""
        self.changes.append(what)
        if not self.module.check_mode:
            self.etcdctl.run(*command, user=self.root, standard_input=standard_input)

    def set_password(self, name: str, password: str) -> None:
        """Make the user if it is missing; set its password if it is another one."""
        if name not in self.users:
            self.change(f"user {name} made", "user", "add", name, "--interactive=false", standard_input=f"{password}\n")
        elif self.root is None or not self.etcdctl.accepts(name, password):
            # Without required passwords none can be tried: it is set, which is harmless then.
            self.change(
                f"password of {name} set", "user", "passwd", name, "--interactive=false", standard_input=f"{password}\n"
            )

    def set_roles(self, name: str, role: str) -> None:
        """Grant the user exactly one role."""
        held: list[str] = []
        if name in self.users:
            held = json.loads(self.etcdctl.run("user", "get", name, "-w", "json", user=self.root)).get("roles") or []
        for other in [r for r in held if r != role]:
            self.change(f"role {other} of {name} revoked", "user", "revoke-role", name, other)
        if role not in held:
            self.change(f"role {role} granted to {name}", "user", "grant-role", name, role)

    def set_permission(self, role: str, prefix: str) -> None:
        """Let the role read and write below the prefix and nowhere else."""
        held: list[tuple[int, str, str]] = []
        if role in self.roles:
            found = json.loads(self.etcdctl.run("role", "get", role, "-w", "json", user=self.root))
            for permission in found.get("perm") or []:
                key = b64decode(permission.get("key", "")).decode()
                end = b64decode(permission.get("range_end", "")).decode()
                held.append((permission.get("permType", 0), key, end))
        else:
            self.change(f"role {role} made", "role", "add", role)
        wanted = (READ_WRITE, prefix, range_end(prefix))
        for _, key, end in [p for p in held if p != wanted]:
            self.change(f"{role} loses {key}", "role", "revoke-permission", role, key, *([end] if end else []))
        if wanted not in held:
            self.change(
                f"{role} reads and writes {prefix}", "role", "grant-permission", role, "readwrite", "--prefix", prefix
            )

    def require(self) -> None:
        """Turn required passwords on."""
        if self.root is None:
            self.change("passwords required", "auth", "enable")


def main() -> None:
    """Bring users, roles and the switch to what is declared."""
    module = AnsibleModule(
        argument_spec={
            "endpoints": ENDPOINTS_SPEC,
            "connection": CONNECTION_SPEC,
            "users": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "password": {"type": "str", "required": True, "no_log": True},
                    "prefix": {"type": "str", "required": True},
                },
            },
            "members": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    etcdctl = Etcdctl(module, module.params["endpoints"])
    try:
        access = Access(module, etcdctl)
        if access.root is None:
            if "root" not in access.roles:
                access.change("role root made", "role", "add", "root")
            access.set_password("root", module.params["connection"]["root_password"])
        access.set_roles("root", "root")
        for user in module.params["users"]:
            access.set_permission(user["name"], user["prefix"])
            access.set_password(user["name"], user["password"])
            access.set_roles(user["name"], user["name"])
        for name in sorted(set(access.users) - {"root", *(user["name"] for user in module.params["users"])}):
            access.change(f"user {name} removed", "user", "delete", name)
        access.require()
        strangers = [m["name"] for m in etcdctl.members(access.root) if m["name"] not in module.params["members"]]
    except EtcdctlError as failure:
        module.fail_json(msg=f"etcd: {failure}")
    if strangers:
        module.warn(f"etcd has undeclared members: {', '.join(strangers)}. Retire their hosts.")
    module.exit_json(changed=bool(access.changes), changes=access.changes, strangers=strangers)


if __name__ == "__main__":
    main()
