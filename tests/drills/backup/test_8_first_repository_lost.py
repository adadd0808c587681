"""The cluster and the first of its two repositories are lost: one playbook and the second bring it back."""

import time
from collections.abc import Iterator

import pytest

from tests.drills import apart, markers
from tests.drills.apart import Apart
from tests.drills.conftest import Measure
from tests.drills.tools import LOSE, RPO_SECONDS_MAX
from tests.proofs.tools import psql, wait_for

REBUILD = "ansible/playbooks/rebuild_cluster.yml"
ARRIVAL_SECONDS_MAX = 60
WRITE_SECONDS, SPARE_SECONDS = 75, 60
MAKE = "create table if not exists kept (answer int)"
KEEP = "insert into kept values ({})"
SWITCH = "select pg_walfile_name(pg_switch_wal())"
WAITING = "find /var/lib/postgresql/17/main/pg_wal/archive_status -name '*.ready'"
TARGET = {"restore_target": "latest", "restore_confirmed": "lab-main"}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    with apart.cluster(tmp_path_factory.mktemp("apart")) as made:
        yield made


def keep(two: Apart, answer: int) -> None:
    """Write a row, and wait until the second bucket has it."""
    segment = two.on(psql(MAKE, KEEP.format(answer), SWITCH, database="postgres"))

    def arrived() -> bool:
        newest = {found["database"]["repo-key"]: found["max"] for found in two.info()["archive"]}
        return bool(newest[2] >= segment)

    wait_for("the segment in the second bucket", arrived, ARRIVAL_SECONDS_MAX)


def answers(two: Apart) -> list[str]:
    return two.on(psql("select answer from kept order by answer", database="postgres")).split()


def test_an_emptied_repository_is_filled_again_after_a_restore_from_the_other(two: Apart, measure: Measure) -> None:
    keep(two, 42)
    apart.empty_first()
    two.lose()
    run = two.play(REBUILD, **TARGET, restore_repository=2)
    measure("rebuilt from the second repository, the first filled again", run.seconds, "s")
    assert "42" in answers(two)
    found = two.info()
    assert [state["status"]["code"] for state in found["repo"]] == [0, 0]
    assert {backup["database"]["repo-key"] for backup in found["backup"]} == {1, 2}


def test_a_repository_that_stays_away_is_declared_lost(two: Apart, measure: Measure) -> None:
    # The first one refuses what is written from now on, and the second has it all the same.
    apart.on_store(apart.CLOSE)
    try:
        rows = (WRITE_SECONDS + SPARE_SECONDS) * markers.ROWS_PER_SECOND
        two.on(psql(markers.MAKE, database="postgres"))
        writing = psql(markers.WRITE.format(rows=rows), database="postgres")
        two.on(f"nohup {writing} > /dev/null 2>&1 < /dev/null &")
        time.sleep(WRITE_SECONDS)
        lost_at = float(two.on(LOSE))
        two.lose()
        run = two.play(REBUILD, **TARGET, environment_lost_repository=1)
        measure("rebuilt without the first repository", run.seconds, "s")
        rpo = markers.lost_seconds(two.on(psql(markers.READ, database="postgres")), lost_at)
        measure("lost: from the last row that is there to the loss", rpo, "s")
        assert rpo <= RPO_SECONDS_MAX
        assert answers(two) == ["42"]
        assert [(state["key"], state["status"]["code"]) for state in two.info()["repo"]] == [(1, 0)]
        wait_for("an archive that waits for nobody", lambda: not two.on(WAITING), ARRIVAL_SECONDS_MAX)
    finally:
        apart.on_store(apart.OPEN)
