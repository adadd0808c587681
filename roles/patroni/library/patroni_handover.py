#!/usr/bin/python3
"""Ansible module: hand the lead of a cluster to a member that stays."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.patroni_api import (
    MEMBERS_SPEC,
    STANDBYS,
    TLS_SPEC,
    Patroni,
    PatroniError,
    leader_of,
)

DOCUMENTATION = r"""
module: patroni_handover
short_description: Hand the lead of a cluster to a member that stays
description:
  - Nothing to do when the leaving member does not lead. A standby that confirms transactions is preferred.
options:
  name: {type: str, required: true, description: Name of the member that leaves.}
  members: {type: list, elements: dict, required: true, description: Members that stay, as name and address.}
  tls: {type: dict, required: true, description: Files of authority, certificate and key.}
  wait_seconds: {type: int, default: 300, description: Seconds to wait for the new leader.}
"""
EXAMPLES = r"""
- name: Hand over
  patroni_handover: {name: db4, members: [{name: db1, address: 10.0.0.11}], tls: "{{ tls }}"}
"""


def main() -> None:
    """Switch over when the leaving member leads."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "members": MEMBERS_SPEC,
            "tls": TLS_SPEC,
            "wait_seconds": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    name, staying = module.params["name"], {member["name"] for member in module.params["members"]}
    patroni = Patroni(module.params["members"], module.params["tls"])
    try:
        members = patroni.members()
        if leader_of(members) != name:
            module.exit_json(changed=False)
        able = [m for m in members if m["role"] in STANDBYS and m["name"] in staying]
        ranked = sorted(able, key=lambda m: (STANDBYS.index(m["role"]), m["name"]))
        if not ranked:
            module.fail_json(msg=f"{name} leads and no staying member follows: bring one up before {name} leaves")
        candidate = ranked[0]["name"]
        if not module.check_mode:
            # Any member hands the request on to etcd, where the leader finds it.
            status, text = patroni.call(
                candidate,
                "POST",
                "/switchover",
                {"leader": name, "candidate": candidate},
                timeout=module.params["wait_seconds"],
            )
            if status != 200:  # noqa: PLR2004 - HTTP OK
                module.fail_json(msg=f"switchover from {name} to {candidate} was refused ({status}): {text}")
            patroni.wait(f"lead of {candidate}", lambda m: leader_of(m) == candidate, module.params["wait_seconds"])
    except PatroniError as failure:
        module.fail_json(msg=f"{name} keeps the lead: {failure}")
    module.exit_json(changed=True, leader=candidate)


if __name__ == "__main__":
    main()
