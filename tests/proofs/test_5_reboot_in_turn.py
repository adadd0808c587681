"""Hosts rebooted one after another: the cluster serves through it, and no two of its members are away at once."""

import pytest

from tests.host.environment import Environment
from tests.proofs.tools import Members, healthy, play, wait_for, writing

pytestmark = pytest.mark.long

SECONDS_MAX = 120


def test_hosts_rebooted_in_turn_lose_nothing(lab: Environment, members: Members, card: dict[str, object]) -> None:
    with writing(card) as writer:
        run = play("ansible/playbooks/reboot_hosts.yml")
        assert run.code == 0, run.output[-3000:]
    print(f"\nlongest time without an acknowledged write: {writer.longest_gap:.1f} s")
    assert writer.lost() == set()
    wait_for("a healthy cluster", lambda: healthy(members(), len(lab.hosts("database"))), SECONDS_MAX)
