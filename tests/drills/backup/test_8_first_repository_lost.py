"""The first of two repositories is lost, with the cluster or in parts: one playbook and what is left bring all back."""

import json
import re
import time
from typing import Any

from tests.drills import apart, markers
from tests.drills.apart import DATABASES, Apart
from tests.drills.conftest import Measure
from tests.drills.tools import CHECK, CONTENTS, LOSE, RPO_SECONDS_MAX, TABLES
from tests.proofs.tools import psql, scripts, wait_for

REBUILD = "ansible/playbooks/rebuild_cluster.yml"
RESTORE = "ansible/playbooks/restore_cluster.yml"
ARRIVAL_SECONDS_MAX = 60
# Longer than archive_timeout; the jobs on the buckets are done meanwhile.
WRITE_SECONDS, WRITE_SECONDS_MAX = 75, 600
AFRESH = "drop table if exists kept"
KEEP = "create table kept as select {} as answer"
SWITCH = "select pg_walfile_name(pg_switch_wal())"
ANSWERS = "select answer from kept order by answer"
WAITING = "find /var/lib/postgresql/17/main/pg_wal/archive_status -name '*.ready'"
TARGET: dict[str, Any] = {"restore_target": "latest", "restore_confirmed": "lab-main"}
NOW = "date --utc '+%Y-%m-%d %H:%M:%S+00'"
# Of the newest run, which goes to the second bucket, all that pgBackRest has written.
LAST_BACKUP = r"""/ backup command begin / { said = "" } { said = said "\n" $0 } END { print said }"""
RECORD = "cat /var/lib/freelance-backup/drill-record.json"


def keep(two: Apart, answer: int) -> None:
    """Write a row, and wait until each bucket has it."""
    segment = two.on(two.leader, psql(AFRESH, KEEP.format(answer), SWITCH, database="postgres"))

    def arrived() -> bool:
        return all((found["max"] or "") >= segment for found in two.info()["archive"])

    wait_for(f"segment {segment} in each bucket", arrived, ARRIVAL_SECONDS_MAX)


def answers(two: Apart) -> list[str]:
    return two.on(two.leader, psql(ANSWERS, database="postgres")).split()


def write(two: Apart) -> float:
    """Have a session write markers until it is lost; when it began."""
    writing = psql(markers.WRITE.format(rows=WRITE_SECONDS_MAX * markers.ROWS_PER_SECOND), database="postgres")
    leader = two.leader
    two.on(leader, psql(markers.REMOVE, markers.MAKE, database="postgres"))
    two.on(leader, f"nohup {writing} > /dev/null 2>&1 < /dev/null &")
    return time.monotonic()


def lose(two: Apart, began: float) -> float:
    """Lose all hosts once markers were written for long enough; when that was."""
    time.sleep(max(0, began + WRITE_SECONDS - time.monotonic()))
    lost_at = max(float(text) for text in scripts(two.environment, dict.fromkeys(DATABASES, LOSE)).values())
    two.lose()
    return lost_at


def judge(two: Apart, lost_at: float, measure: Measure) -> None:
    """Measure what the loss has cost: no marker lacks in between."""
    rpo = markers.lost_seconds(two.on(two.leader, psql(markers.READ, database="postgres")), lost_at)
    measure("lost: from the last row that is there to the loss", rpo, "s")
    assert rpo <= RPO_SECONDS_MAX


def work(two: Apart, measure: Measure) -> None:
    """Have the jobs of the buckets done once, by the replica that acts and, for markers, the leader."""
    acting, leader = two.acting, two.leader
    started = time.monotonic()
    two.job(acting, "dump")
    two.job(leader, "marker")
    two.job(acting, "diff")
    two.job(acting, "incr")
    said = two.on(acting, f"awk '{LAST_BACKUP}' /var/log/pgbackrest/main-backup.log")
    assert "replay on the standby reached" in said, f"{acting}: the backup was not read from a replica:\n{said}"
    two.job(acting, "verify")
    # The newest one is the target, and one before it has to come back.
    two.job(leader, "marker")
    for repository in (1, 2):
        two.job(acting, "drill")
        record = json.loads(two.on(acting, RECORD))
        assert (record["ok"], record["repository"]) == (True, repository), record
        assert record["backup_label"].endswith("I"), record
        measure(f"rehearsal from bucket {repository}, until it answered", record["rto_seconds"], "s")
    measure("dump, incr, verify, marker, drill on the buckets", time.monotonic() - started, "s")


def test_an_emptied_repository_is_filled_again_after_a_restore_from_the_other(two: Apart, measure: Measure) -> None:
    keep(two, 42)
    before = two.on(two.leader, psql(CONTENTS))
    assert len(re.findall(r"^\w+\|[1-9]", before, re.MULTILINE)) == len(TABLES), f"nothing to compare:\n{before}"
    began = write(two)
    work(two, measure)
    lost_at = lose(two, began)
    apart.purge()
    run = two.play(REBUILD, **TARGET, restore_repository=2, release=True)
    measure("rebuilt from the second repository, the first filled again", run.seconds, "s")
    assert answers(two) == ["42"]
    assert two.on(two.leader, psql(CONTENTS)) == before
    assert "no issues" in two.on(DATABASES[0], CHECK)
    judge(two, lost_at, measure)
    found = two.info()
    assert [state["status"]["code"] for state in found["repo"]] == [0, 0]
    assert {backup["database"]["repo-key"] for backup in found["backup"]} == {1, 2}


def test_what_was_deleted_from_a_bucket_with_versions_is_restored_as_of_before(two: Apart, measure: Measure) -> None:
    keep(two, 43)
    before = two.on(DATABASES[0], NOW)
    time.sleep(2)
    # What is archived from here on lies in the bucket as well, and is not of that time.
    keep(two, 44)
    newest = [backup["label"] for backup in two.info()["backup"] if backup["database"]["repo-key"] == 1][-1]
    bundles = [name for name in two.files(f"backup/main/{newest}") if "/bundle/" in name]
    segments = [name for name in two.files("archive/main") if "-" in name.rpartition("/")[2]]
    assert bundles, f"set {newest} has no bundles"
    gone = {*bundles, *segments[-3:]}
    apart.delete(gone)
    assert not gone & {*two.files("backup/main"), *two.files("archive/main")}
    run = two.play(RESTORE, **TARGET, restore_without_newest=True, restore_repository_time=before)
    measure("restored from a bucket as it was, a new backup included", run.seconds, "s")
    assert answers(two) == ["43"]


def test_a_repository_that_stays_away_is_declared_lost(two: Apart, measure: Measure) -> None:
    keep(two, 45)
    # The first one refuses what is written from now on, and the second has it all the same.
    apart.on_store(apart.CLOSE)
    try:
        lost_at = lose(two, write(two))
        run = two.play(REBUILD, **TARGET, environment_lost_repository=1)
        measure("rebuilt without the first repository", run.seconds, "s")
        judge(two, lost_at, measure)
        assert answers(two) == ["45"]
        assert [(state["key"], state["status"]["code"]) for state in two.info()["repo"]] == [(1, 0)]
        wait_for("an archive that waits for nobody", lambda: not two.on(two.leader, WAITING), ARRIVAL_SECONDS_MAX)
    finally:
        apart.on_store(apart.OPEN)
