#!/usr/bin/python3
"""Ansible module: hand the lead of a cluster to a member that stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
  - Nothing to do when a member that stays leads, when nobody leads, or when no member that stays runs Patroni.
  - A standby that confirms transactions is preferred.
options:
  members: {type: list, elements: dict, required: true, description: Members that stay, as name and address.}
  tls: {type: dict, required: true, description: Files of authority, certificate and key.}
  wait_seconds: {type: int, default: 300, description: Seconds to wait for the new leader.}
"""
EXAMPLES = r"""
- name: Hand over
  patroni_handover: {members: [{name: db1, address: 10.0.0.11}], tls: "{{ tls }}"}
"""
RUNNING = ("running", "streaming")


def heir_of(members: list[dict[str, Any]], staying: set[str]) -> tuple[str, str]:
    """Give the leader that leaves and its heir; both empty when the leader stays. Raises PatroniError."""
    leader = leader_of(members)
    if not leader or leader in staying:
        return "", ""
    able = [m for m in members if m["role"] in STANDBYS and m["name"] in staying and m["state"] in RUNNING]
    ranked = sorted(able, key=lambda m: (STANDBYS.index(m["role"]), m["name"]))
    if not ranked:
        raise PatroniError(
            f"no member that stays ({', '.join(sorted(staying))}) follows it. Take the mark `retiring` off {leader}, "
            "run the play, and mark it again when `patronictl list` shows another member streaming"
        )
    return leader, str(ranked[0]["name"])


def main() -> None:
    """Switch over when a leaving member leads."""
    module = AnsibleModule(
        argument_spec={
            "members": MEMBERS_SPEC,
            "tls": TLS_SPEC,
            "wait_seconds": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    given = module.params
    if not all(Path(file).exists() for file in given["tls"].values()):
        module.exit_json(changed=False, msg="this host speaks to no cluster yet")
    patroni = Patroni(given["members"], given["tls"])
    try:
        members = patroni.members()
    except PatroniError as silence:
        # Nobody who stays runs Patroni: the play is about to start it, and what leads meanwhile is asked at the end.
        module.exit_json(changed=False, msg=f"no member that stays answers: {silence}")
    try:
        leader, heir = heir_of(members, {member["name"] for member in given["members"]})
        if heir and not module.check_mode:
            # Any member hands the request on to etcd, where the leader finds it.
            body = {"leader": leader, "candidate": heir}
            status, text = patroni.call(heir, "POST", "/switchover", body, timeout=given["wait_seconds"])
            if status != 200:  # noqa: PLR2004 - HTTP OK
                raise PatroniError(f"the switchover to {heir} was refused ({status}): {text}")
            patroni.wait(f"lead of {heir}", lambda m: leader_of(m) == heir, given["wait_seconds"])
    except PatroniError as failure:
        module.fail_json(msg=f"{leader_of(members)} leaves the cluster and leads it: {failure}")
    module.exit_json(changed=bool(heir), leader=heir or leader_of(members))


if __name__ == "__main__":
    main()
