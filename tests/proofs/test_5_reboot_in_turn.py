"""Hosts rebooted one after another: none goes before the one before it is a member again, and nothing is lost."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.host.environment import Environment
from tests.proofs.tools import Members, healthy, play, wait_for, writing

pytestmark = pytest.mark.long

SECONDS_MAX = 120


BOOTED = "stat -c %Y /proc/1"
SERVED = "runuser -u postgres -- psql -XAtc 'select extract(epoch from pg_postmaster_start_time())::int'"


def test_hosts_rebooted_in_turn_lose_nothing(
    lab: Environment, on: Callable[[str, str], str], members: Members, card: dict[str, object]
) -> None:
    with writing(card) as writer:
        run = play("ansible/playbooks/reboot_hosts.yml")
        assert run.code == 0, run.output[-3000:]
    print(f"\nlongest time without an acknowledged write: {writer.longest_gap:.1f} s")
    assert writer.lost() == set()
    times = sorted((int(on(name, BOOTED)), int(on(name, SERVED))) for name in lab.hosts("database"))
    assert [then for _, then in times] == sorted(then for _, then in times)
    assert [(back, gone) for (_, back), (gone, _) in pairwise(times) if gone < back] == [], "two were away at once"
    wait_for("a healthy cluster", lambda: healthy(members(), len(lab.hosts("database"))), SECONDS_MAX)
