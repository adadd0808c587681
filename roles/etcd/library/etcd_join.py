#!/usr/bin/python3
"""Ansible module: announce a member without data to the members that have some."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.etcdctl import CONNECTION_SPEC, ENDPOINTS_SPEC, Etcdctl, EtcdctlError

DOCUMENTATION = r"""
module: etcd_join
short_description: Announce a member without data to its cluster
description:
  - A member of that name or peer URL which had started before has lost its data; it is removed and added again.
  - A member that was announced and never started is started, also where the others have no quorum without it.
  - Returns C(initial_cluster) for the first start with state C(existing).
options:
  name: {type: str, required: true, description: Name of the member.}
  peer_url: {type: str, required: true, description: Peer URL of the member.}
  endpoints: {type: list, elements: str, required: true, description: Client URLs of the other members.}
  look: {type: bool, default: false, description: Change nothing and say whether the member is announced already.}
  connection: {type: dict, required: true, description: File of the authority and root password.}
"""
EXAMPLES = r"""
- name: Announce the member
  etcd_join:
    name: db4
    peer_url: https://10.0.0.14:2380
    endpoints: [https://10.0.0.11:2379]
    connection: "{{ connection }}"
"""
# etcd says these while an earlier newcomer is still catching up.
PASSING = ("unhealthy cluster", "re-configuration failed", "too many learner", "not enough started members")


def initial_cluster(members: list[dict[str, Any]], name: str, peer_url: str) -> str:
    """Write the members as ETCD_INITIAL_CLUSTER; the one without a name is the newcomer."""
    others = [f"{m['name']}={url}" for m in members if m["name"] for url in m["peer_urls"] if url != peer_url]
    return ",".join([*others, f"{name}={peer_url}"])


def is_announced(members: list[dict[str, Any]], peer_url: str) -> bool:
    """Tell whether a member was added and never started."""
    return any(not m["name"] and peer_url in m["peer_urls"] for m in members)


def main() -> None:
    """Remove a lost member, add the new one."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "peer_url": {"type": "str", "required": True},
            "endpoints": ENDPOINTS_SPEC,
            "look": {"type": "bool", "default": False},
            "connection": CONNECTION_SPEC,
        },
        supports_check_mode=False,
    )
    name, peer_url = module.params["name"], module.params["peer_url"]
    etcdctl = Etcdctl(module, module.params["endpoints"])
    removed = False
    try:
        if module.params["look"]:
            members = etcdctl.members_without_quorum()
            module.exit_json(changed=False, announced=is_announced(members, peer_url))
        try:
            user = etcdctl.root()
            members = etcdctl.members(user)
        except EtcdctlError as silence:
            members = etcdctl.members_without_quorum()
            if not is_announced(members, peer_url):
                raise silence from None
            # A run was broken off after it had announced this member: a quorum needs it, so nobody can be asked, and it
            # has to be started.
            user = None
        known = [m for m in members if m["name"] == name or peer_url in m["peer_urls"]]
        for lost in [m for m in known if m["name"]]:
            etcdctl.run("member", "remove", lost["id"], user=user)
            removed = True
        announced = any(not m["name"] for m in known)
        if not announced:
            etcdctl.run("member", "add", name, f"--peer-urls={peer_url}", user=user)
        # Nothing is asked from here on: one member that has just become two holds no quorum until this one starts.
        members = [m for m in members if m not in known]
    except EtcdctlError as failure:
        module.fail_json(
            msg=f"{name} has no data of etcd and cannot join: {failure}. The other members must run and hold a quorum; "
            "run the play without --limit, or bring them back first.",
            retry=any(text in str(failure) for text in PASSING),
        )
    module.exit_json(changed=True, removed=removed, initial_cluster=initial_cluster(members, name, peer_url))


if __name__ == "__main__":
    main()
