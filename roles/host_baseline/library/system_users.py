#!/usr/bin/python3
"""All declared system users of a host in one call, with the same id as user and as group."""

from __future__ import annotations

import grp
import pwd
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: system_users
short_description: System users with declared ids
options:
  users: {type: list, elements: dict, required: true, description: "Name, id, home, shell and further groups of each."}
"""
RETURN = """
differences: {type: list, description: What differed from the declaration, in words., returned: always}
"""

USER_SPEC = {
    "name": {"type": "str", "required": True},
    "id": {"type": "int", "required": True},
    "home": {"type": "path", "required": True},
    "shell": {"type": "path", "default": "/usr/sbin/nologin"},
    "groups": {"type": "list", "elements": "str", "default": []},
}


def users_by_name() -> dict[str, pwd.struct_passwd]:
    """Return the users that the host has now."""
    return {user.pw_name: user for user in pwd.getpwall()}


def groups_of(name: str) -> list[str]:
    """Return the groups that list the user as a member."""
    return [group.gr_name for group in grp.getgrall() if name in group.gr_mem]


def problem_of(wanted: dict[str, Any]) -> str | None:
    """Say why the user can't get the declared id, None when it can."""
    name, number = wanted["name"], wanted["id"]
    remedy = "files on its volumes would belong to somebody else; make the host again, or move the id with usermod"
    for kind, listed in (
        ("user", [(user.pw_name, user.pw_uid) for user in pwd.getpwall()]),
        ("group", [(group.gr_name, group.gr_gid) for group in grp.getgrall()]),
    ):
        for found, identity in listed:
            if found == name and identity != number:
                return f"{kind} {name} has id {identity}, declared is {number}: {remedy}"
            if identity == number and found != name:
                return f"id {number}, declared for {name}, belongs to {kind} {found}: {remedy}"
    return None


def commands_for(wanted: dict[str, Any]) -> list[list[str]]:
    """Return what has to run so that the user is as declared."""
    name, number = wanted["name"], str(wanted["id"])
    user = users_by_name().get(name)
    commands = []
    if name not in [group.gr_name for group in grp.getgrall()]:
        commands.append(["groupadd", "--system", "--gid", number, name])
    account = ["--gid", number, "--home-dir", wanted["home"], "--shell", wanted["shell"]]
    if user is None:
        # Whoever owns the folder makes it: for most of these users it is the root of a volume.
        commands.append(["useradd", "--system", "--uid", number, "--no-create-home", *account, name])
    elif (user.pw_gid, user.pw_dir, user.pw_shell) != (wanted["id"], wanted["home"], wanted["shell"]):
        commands.append(["usermod", "--gid", number, "--home", wanted["home"], "--shell", wanted["shell"], name])
    # Packages may add their users to groups of their own, which stay.
    missing = [group for group in wanted["groups"] if group not in groups_of(name)]
    if missing:
        commands.append(["usermod", "--append", "--groups", ",".join(missing), name])
    return commands


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={"users": {"type": "list", "elements": "dict", "required": True, "options": USER_SPEC}},
        supports_check_mode=True,
    )
    wanted = module.params["users"]
    problems = [problem for problem in map(problem_of, wanted) if problem]
    if problems:
        module.fail_json(msg="nothing was changed: " + "; ".join(problems))
    differences = []
    for user in wanted:
        for words in commands_for(user):
            differences.append(" ".join(words))
            if not module.check_mode:
                module.run_command(words, check_rc=True)
    module.exit_json(changed=bool(differences), differences=differences)


if __name__ == "__main__":
    main()
