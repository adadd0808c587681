"""The orders are dropped while rows are written every 100 ms: the cluster is taken back to just before.

Also by a restore that is killed halfway, and is taken back or goes on.
"""

import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.drills import markers
from tests.drills.conftest import SETTLE_SECONDS_MAX, Measure
from tests.drills.tools import Site
from tests.proofs.tools import Run, play, psql, wait_for

RESTORE = "ansible/playbooks/restore_cluster.yml"
POINT = f"before-the-drop-{uuid.uuid4().hex[:8]}"  # of this run: replay ends at the first of a name
BEFORE_SECONDS, AFTER_SECONDS = 8, 5
# Between two readings of the clock, what the target is told by.
TARGETS = {
    "time": "select clock_timestamp()",
    "name": f"select pg_create_restore_point('{POINT}')",
    "lsn": "select pg_current_wal_lsn()",
    # Of an empty transaction, which is replayed too; what has begun before it and ends later is not.
    "xid": "select pg_current_xact_id()",
}
# With this one nothing is kept: the data from before are overwritten.
WITHOUT_OLD = "lsn"
CLOCK = "select extract(epoch from clock_timestamp())"
DATA = "/var/lib/postgresql/17/main"
KEPT = "ls -d /var/lib/postgresql/17/main.before-*"
STRIKE_SECONDS_MAX = 240
# What pgBackRest copies last is missing, some of the rest is there; PostgreSQL replays a segment.
HALFWAY = {
    "copy": f"[ ! -e {DATA}/global/pg_control ] && [ $(find {DATA}/base -type f -size +0 2> /dev/null | wc -l) -gt 9 ]",
    "replay": "pgrep -f 'postgres: .*startup recovering' > /dev/null",
}
# Kills a step of a restore with all its processes as soon as it is halfway.
STRIKE = """
while [ $SECONDS -lt {seconds} ]; do
  if {halfway} && systemctl kill --signal=KILL platform-restore-{step}.service 2> /dev/null; then exit; fi
  sleep 0.02
done
echo 'platform-restore-{step} was never seen halfway' >&2
exit 1
"""
# Whether the last copy found files of an earlier one and went through them; in an empty folder it has none to remove.
ON_HALF_A_COPY = (
    "awk '/restore command begin/ { found = 0 } /remove invalid files/ { found = 1 } END { exit !found }'"
    " /var/log/pgbackrest/STANZA-restore.log"
)


@dataclass(frozen=True)
class Accident:
    """The target just before it, the clock before and after the target was told, and the markers up to the end."""

    target: str
    earliest: float
    latest: float
    written: list[markers.Marker]


@pytest.fixture
def filled(site: Site) -> None:
    """Something to replay, before the first marker."""
    for _ in range(4):
        site.fill_segment(site.leader)


@pytest.fixture
def marked(site: Site) -> Iterator[None]:
    """Rows every 100 ms all the while, in a schema of their own that is gone afterwards."""
    leader, rows = site.leader, (BEFORE_SECONDS + AFTER_SECONDS + 5) * markers.ROWS_PER_SECOND
    site.on(leader, psql(markers.REMOVE, markers.MAKE))
    site.on(leader, f"nohup {psql(markers.WRITE.format(rows=rows))} > /dev/null 2>&1 < /dev/null &")
    yield
    site.on(site.leader, psql(markers.REMOVE))


def accident(site: Site, kind: str) -> Accident:
    """Drop the orders, and have everything archived that was written before and after."""
    leader = site.leader
    time.sleep(BEFORE_SECONDS)
    earliest, told, latest = site.on(leader, psql(CLOCK, TARGETS[kind], CLOCK)).splitlines()
    site.on(leader, psql("drop table orders_order cascade"))
    time.sleep(AFTER_SECONDS)
    written = markers.read(site.on(leader, psql(markers.READ)))
    assert len(written) > (BEFORE_SECONDS + AFTER_SECONDS) * markers.ROWS_PER_SECOND / 2
    assert written[-1].began > float(latest), "nobody wrote after the target"
    last = site.fill_segment(leader)
    wait_for("the last segment in the repository", lambda: site.archived() >= last, 120)
    return Accident(POINT if kind == "name" else told, float(earliest), float(latest), written)


def restore(site: Site, kind: str, what: Accident, **more: bool) -> Run:
    given = {"restore_target": kind, "restore_target_value": what.target, "restore_confirmed": site.cluster}
    return play(RESTORE, "-e", json.dumps({**given, **more}))


def judge(site: Site, what: Accident, measure: Measure) -> None:
    """Each row from before the target is there, none from after it, and so are the orders."""
    kept = {row.id for row in markers.read(site.on(site.leader, psql(markers.READ)))}
    missing, too_much = markers.judge(what.written, kept, what.earliest, what.latest)
    assert (missing, too_much) == ([], [])
    measure("markers from before the target, all there", len(kept), "rows")
    measure("markers from after it, none there", len(what.written) - len(kept), "rows")
    assert site.on(site.leader, psql("select to_regclass('orders_order') is not null")) == "t"


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("kind", list(TARGETS))
def test_the_cluster_goes_back_to_just_before_the_orders_were_dropped(kind: str, site: Site, measure: Measure) -> None:
    what, host = accident(site, kind), site.leader
    run = restore(site, kind, what, **({"restore_keep_old": False} if kind == WITHOUT_OLD else {}))
    assert run.code == 0, run.output[-4000:]
    assert ((host, "Copy | Note that the data from before go") in run.changed) == (kind == WITHOUT_OLD)
    measure("restore, replicas and a new backup included", run.seconds, "s")
    judge(site, what, measure)


def undo(site: Site, what: Accident, measure: Measure) -> None:
    """Take an unfinished restore back: a healthy cluster has all that there was after the accident."""
    run = play(RESTORE, "-e", json.dumps({"restore_target": "undo", "restore_confirmed": site.cluster}))
    assert run.code == 0, run.output[-4000:]
    measure("taken back by undo, replicas and a new backup included", run.seconds, "s")
    wait_for("a healthy cluster and archive, as before", site.settled, SETTLE_SECONDS_MAX)
    kept = {row.id for row in markers.read(site.on(site.leader, psql(markers.READ)))}
    assert {row.id for row in what.written} - kept == set()
    assert site.on(site.leader, psql("select to_regclass('orders_order') is null")) == "t"


def killed(site: Site, host: str, what: Accident, step: str) -> float:
    """Begin a restore and kill it halfway through a step; the seconds until it told. The data from before are kept."""
    strike = STRIKE.format(step=step, halfway=HALFWAY[step], seconds=STRIKE_SECONDS_MAX)
    with ThreadPoolExecutor(1) as pool:
        struck = pool.submit(site.on, host, strike)
        run = restore(site, "time", what)
    assert struck.exception() is None, f"{struck.exception()}\n{run.output[-4000:]}"
    assert run.code != 0, f"nobody noticed that the {step} was killed"
    for name in site.lab.hosts("database"):
        site.on(name, KEPT)
    return run.seconds


@pytest.mark.usefixtures("filled", "marked")
def test_a_killed_copy_is_undone_or_goes_on_and_a_killed_replay_goes_on(site: Site, measure: Measure) -> None:
    what, host = accident(site, "time"), site.leader
    measure("restore killed at its copy", killed(site, host, what, "copy"), "s")
    undo(site, what, measure)
    # From now on the target lies on a timeline that has ended.
    measure("another one killed at its copy", killed(site, host, what, "copy"), "s")
    measure("the same command again, killed at its replay", killed(site, host, what, "replay"), "s")
    site.on(host, ON_HALF_A_COPY.replace("STANZA", site.stanza))
    run = restore(site, "time", what)
    assert run.code == 0, run.output[-4000:]
    measure("the same command again, replicas and a new backup included", run.seconds, "s")
    judge(site, what, measure)
