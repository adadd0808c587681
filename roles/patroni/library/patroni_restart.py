#!/usr/bin/python3
"""Ansible module: restart PostgreSQL where a setting waits for it, standbys first, the leader after a switchover."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.patroni_api import (
    MEMBERS_SPEC,
    STANDBYS,
    TLS_SPEC,
    Patroni,
    PatroniError,
    healthy,
    leader_of,
)

DOCUMENTATION = r"""
module: patroni_restart
short_description: Restart PostgreSQL where a setting waits for it
description:
  - Standbys one by one, each until it streams again; then a switchover to one that confirms, then the old leader.
  - A parameter that is lowered must reach the leader first; what still waits then is restarted in place.
  - Stops at the first member that does not come back. Nothing to do when no member waits.
options:
  members: {type: list, elements: dict, required: true, description: Members as name, address.}
  tls: {type: dict, required: true, description: Files of authority, certificate and key.}
  wait_seconds: {type: int, default: 300, description: Seconds to wait for each step.}
"""
EXAMPLES = r"""
- name: Restart what waits
  patroni_restart: {members: [{name: db1, address: 10.0.0.11}], tls: "{{ tls }}"}
"""


class Restart:
    """One round trip through the cluster; `steps` remembers what was done."""

    def __init__(self, patroni: Patroni, seconds: float) -> None:
        """Take the cluster and the patience for each step."""
        self.patroni = patroni
        self.seconds = seconds
        self.steps: list[str] = []

    def waiting(self) -> list[dict[str, Any]]:
        """List the members that wait for a restart, in a cluster that is healthy."""
        members = self.patroni.wait("a healthy cluster", healthy, self.seconds)
        return [m for m in members if m.get("pending_restart")]

    def restart(self, name: str) -> None:
        """Restart one member and wait until all is well again."""
        status, text = self.patroni.call(name, "POST", "/restart", {}, timeout=self.seconds)
        if status != 200:  # noqa: PLR2004 - HTTP OK
            raise PatroniError(f"restart of {name} was refused ({status}): {text}")
        self.steps.append(f"{name} restarted")
        self.patroni.wait(f"return of {name}", healthy, self.seconds)

    def switch_over(self, leader: str) -> None:
        """Hand the lead to a standby that confirms transactions."""
        members = self.patroni.wait("a healthy cluster", healthy, self.seconds)
        ranked = sorted((STANDBYS.index(m["role"]), m["name"]) for m in members if m["role"] in STANDBYS)
        body = {"leader": leader, "candidate": ranked[0][1]}
        status, text = self.patroni.call(leader, "POST", "/switchover", body, timeout=self.seconds)
        if status != 200:  # noqa: PLR2004 - HTTP OK
            raise PatroniError(f"switchover from {leader} to {ranked[0][1]} was refused ({status}): {text}")
        self.steps.append(f"lead handed from {leader} to {ranked[0][1]}")
        self.patroni.wait(f"lead of {ranked[0][1]}", lambda m: healthy(m) and leader_of(m) != leader, self.seconds)

    def run(self) -> None:
        """Restart the standbys, hand over, restart the old leader; then what still waits, leader first."""
        for member in [m for m in self.waiting() if m["role"] in STANDBYS]:
            self.restart(member["name"])
        leader = [m["name"] for m in self.waiting() if m["role"] == "leader"]
        alone = len(self.patroni.members()) == 1
        for name in leader:
            if not alone:
                self.switch_over(name)
            self.restart(name)
        for member in sorted(self.waiting(), key=lambda m: m["role"] != "leader"):
            self.restart(member["name"])


def main() -> None:
    """Restart what waits."""
    module = AnsibleModule(
        argument_spec={
            "members": MEMBERS_SPEC,
            "tls": TLS_SPEC,
            "wait_seconds": {"type": "int", "default": 300},
        },
        supports_check_mode=False,
    )
    restart = Restart(Patroni(module.params["members"], module.params["tls"]), module.params["wait_seconds"])
    try:
        restart.run()
    except PatroniError as failure:
        module.fail_json(msg=f"{failure}. Done so far: {', '.join(restart.steps) or 'nothing'}.", steps=restart.steps)
    module.exit_json(changed=bool(restart.steps), steps=restart.steps)


if __name__ == "__main__":
    main()
