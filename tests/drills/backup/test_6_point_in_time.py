"""The orders are dropped while rows are written every 100 ms: the cluster is taken back to just before."""

import json
import time
import uuid
from collections.abc import Iterator

import pytest

from tests.drills import markers
from tests.drills.conftest import Measure
from tests.drills.tools import Site
from tests.proofs.tools import play, psql, wait_for

RESTORE = "ansible/playbooks/restore_cluster.yml"
POINT = f"before-the-drop-{uuid.uuid4().hex[:8]}"  # of this run: replay ends at the first of a name
BEFORE_SECONDS, AFTER_SECONDS = 8, 5
# Between two readings of the clock, what the target is told by.
TARGETS = {
    "time": "select clock_timestamp()",
    "name": f"select pg_create_restore_point('{POINT}')",
    "lsn": "select pg_current_wal_lsn()",
}
CLOCK = "select extract(epoch from clock_timestamp())"


@pytest.fixture
def marked(site: Site) -> Iterator[None]:
    """Rows every 100 ms all the while, in a schema of their own that is gone afterwards."""
    leader, rows = site.leader, (BEFORE_SECONDS + AFTER_SECONDS + 5) * markers.ROWS_PER_SECOND
    site.on(leader, psql(markers.REMOVE, markers.MAKE))
    site.on(leader, f"nohup {psql(markers.WRITE.format(rows=rows))} > /dev/null 2>&1 < /dev/null &")
    yield
    site.on(site.leader, psql(markers.REMOVE))


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("kind", list(TARGETS))
def test_the_cluster_goes_back_to_just_before_the_orders_were_dropped(kind: str, site: Site, measure: Measure) -> None:
    leader = site.leader
    time.sleep(BEFORE_SECONDS)
    earliest, told, latest = site.on(leader, psql(CLOCK, TARGETS[kind], CLOCK)).splitlines()
    target = POINT if kind == "name" else told
    site.on(leader, psql("drop table orders_order cascade"))
    time.sleep(AFTER_SECONDS)
    written = markers.read(site.on(leader, psql(markers.READ)))
    assert len(written) > (BEFORE_SECONDS + AFTER_SECONDS) * markers.ROWS_PER_SECOND / 2
    last = site.fill_segment(leader)
    wait_for("the last segment in the repository", lambda: site.archived() >= last, 120)

    given = {"restore_target": kind, "restore_target_value": target, "restore_confirmed": site.cluster}
    run = play(RESTORE, "-e", json.dumps(given))
    assert run.code == 0, run.output[-4000:]
    measure("restore, replicas and a new backup included", run.seconds, "s")

    kept = {row.id for row in markers.read(site.on(site.leader, psql(markers.READ)))}
    missing, too_much = markers.judge(written, kept, float(earliest), float(latest))
    assert (missing, too_much) == ([], [])
    measure("markers from before the target, all there", len(kept), "rows")
    measure("markers from after it, none there", len(written) - len(kept), "rows")
    assert site.on(site.leader, psql("select to_regclass('orders_order') is not null")) == "t"
