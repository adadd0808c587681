"""The archive is stuck until the volume of the WAL is full: alerts come first, nothing acknowledged is lost."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.drills.conftest import Measure
from tests.drills.scratch import ask, restored
from tests.drills.tools import Site
from tests.host import health
from tests.proofs.tools import healthy, play, psql, wait_for, writing

WAL = "/var/lib/postgresql-wal"
DISK = "df -B1 --output=target,size,used"
FILL_SECONDS_MAX = 300
FAILOVER_SECONDS_MAX = 120
ACKNOWLEDGED_SECONDS_MAX = 60
ARCHIVED_SECONDS_MAX = 60
REMAKE = "ansible/playbooks/remake_member.yml"
WAITING = f"ls {WAL}/17/main/archive_status | grep '[.]ready$'"


def used_percent(site: Site, host: str) -> float:
    return health.disk_percent(site.on(host, DISK), WAL)


def fill(site: Site, leader: str) -> bool:
    """Write about four segments; whether the server still took them."""
    done = site.lab.connection(leader).run(
        psql(*["select pg_logical_emit_message(false, 'drill', repeat('x', 15000000))", "select pg_switch_wal()"] * 4)
    )
    return bool(done.rc == 0)


def remake(host: str) -> float:
    """Make a member anew, as the page says; the seconds that it took."""
    run = play(REMAKE, "--limit", host)
    assert run.code == 0, run.output[-3000:]
    return run.seconds


def refused(site: Site, host: str) -> float:
    """Try it while the repository is away: nothing that nobody else has may go. The seconds until it was refused."""
    waiting = site.on(host, WAITING).splitlines()
    run = play(REMAKE, "--limit", host)
    assert run.code != 0, run.output[-3000:]
    named = re.findall(r"(\S+) could not be archived", run.text)
    assert named, run.output[-3000:]
    assert f"{named[0]}.ready" in waiting
    assert site.on(host, WAITING).splitlines() == waiting
    return run.seconds


@pytest.fixture
def mended(site: Site) -> Iterator[str]:
    """The leader whose volume will be full: whatever came of it, it ends as a member, and sets begin after it."""
    host, count = site.leader, len(site.lab.hosts("database"))
    yield host
    if not healthy(site.members(), count):
        remake(host)
    site.job("full")


def fill_up(site: Site, leader: str) -> tuple[dict[str, float], float]:
    """Write until the server takes no more WAL: when each alert came, and when that was, in seconds."""
    limit = site.lab.declared(leader)["platform_thresholds"]["wal_volume_used_percent_max"]
    began, alerts = time.monotonic(), dict[str, float]()
    while fill(site, leader):
        elapsed = time.monotonic() - began
        assert elapsed < FILL_SECONDS_MAX, "the volume was not filled"
        if used_percent(site, leader) > limit:
            alerts.setdefault(f"volume above {limit} %", elapsed)
        if site.alerts(leader):
            alerts.setdefault("archive", elapsed)
    return alerts, time.monotonic() - began


def test_a_full_wal_volume_is_foretold_and_loses_nothing(
    site: Site, mended: str, card: dict[str, Any], measure: Measure
) -> None:
    older, count = site.labels()[-1], len(site.lab.hosts("database"))
    with writing(card) as writer:
        with site.unreachable("refused"):
            alerts, full = fill_up(site, mended)
            assert len(alerts) == 2, f"the volume was full before the alerts: {alerts}"
            for what, seconds in alerts.items():
                measure(f"outage to alert: {what}", seconds, "s")
            measure("outage to full volume", full, "s")
            wait_for("another leader", lambda: site.leader not in {"", mended}, FAILOVER_SECONDS_MAX)
            resumed = time.monotonic()
            wait_for("writes go on", lambda: writer.last_write > resumed, FAILOVER_SECONDS_MAX)
            measure("refusal to make the full host anew meanwhile", refused(site, mended), "s")
        measure("full host made anew by the playbook", remake(mended), "s")
        wait_for("each member acknowledges", lambda: healthy(site.members(), count), ACKNOWLEDGED_SECONDS_MAX)
    measure("longest time without an acknowledged write", writer.longest_gap, "s")
    # Nothing is missing in the archive either: a set from before comes past the outage.
    last = site.fill_segment(site.leader)
    wait_for("the last segment in the repository", lambda: site.archived() >= last, ARCHIVED_SECONDS_MAX)
    rows = f"select count(*) from accounts_skill where slug like 'proof-{writer.mark}-%'"  # noqa: S608 — the mark is our own
    began, replica = time.monotonic(), next(name for name in site.replicas if name != mended)
    with restored(site, replica, older, "--type=default"):
        assert site.on(replica, ask(rows)) == site.on(site.leader, psql(rows))
        measure("older set restored past the outage", time.monotonic() - began, "s")
    assert writer.lost() == set()
