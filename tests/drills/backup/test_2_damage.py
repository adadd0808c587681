"""What lies in the repository is damaged: `verify` fails and names it, an older set restores all the same."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

import pytest

from tests.drills import markers
from tests.drills.conftest import Measure
from tests.drills.scratch import ask, restored
from tests.drills.tools import CONTENTS, KEPT, PUT_BACK, Site
from tests.proofs.tools import play, psql, wait_for

REHEARSE = "ansible/playbooks/rehearse_restore.yml"
ROOT = "/var/lib/pgbackrest"
MARKERS = 20
# In the middle of the file: its beginning is read to tell what it is.
DAMAGE = "printf 'damaged by a drill' | dd of={path} bs=1 seek=$(( $(stat -c %s {path}) / 2 )) conv=notrunc status=none"


@contextmanager
def harmed(site: Site, path: str, how: str) -> Iterator[None]:
    """Keep a file of the repository, do something to it, put it back as it was."""
    site.on(site.repository, f"mkdir -m 700 {KEPT}; cp -a {path} {KEPT}/file; echo {path} > {KEPT}/where")
    try:
        site.on(site.repository, how.format(path=path))
        yield
    finally:
        site.on(site.repository, PUT_BACK)


def largest_file(site: Site, label: str) -> str:
    """Name the largest file of a set."""
    folder = f"{ROOT}/backup/{site.stanza}/{label}"
    largest = f"find {folder} -type f -not -name 'backup.manifest*' -printf '%s %p\\n' | sort -n | tail -n 1"
    return site.on(site.repository, f"{largest} | cut -d ' ' -f 2-")


def neighbours(site: Site) -> list[str]:
    """Name three segments that follow each other and have more before and after them on their timeline."""
    folder = f"{ROOT}/archive/{site.stanza}"
    found = site.on(site.repository, f"find {folder} -type f -regextype posix-extended -regex '.*/[0-9A-F]{{24}}-.*'")
    paths = sorted(found.splitlines())
    timeline = [path for path in paths if PurePosixPath(path).name[:8] == PurePosixPath(paths[-1]).name[:8]]
    assert len(timeline) > 4, timeline
    return timeline[-4:-1]


def write_markers(site: Site, leader: str) -> str:
    """Write some rows anew, and give them as they are read."""
    site.on(leader, psql(markers.REMOVE, markers.MAKE, markers.WRITE.format(rows=MARKERS)))
    written = site.on(leader, psql(markers.READ))
    assert len(markers.read(written)) == MARKERS
    return written


@pytest.fixture
def without_markers(site: Site) -> Iterator[None]:
    """Rows that a drill wrote are gone afterwards."""
    yield
    site.on(site.leader, psql(markers.REMOVE))


def test_a_damaged_file_is_named_and_an_older_set_restores(site: Site, measure: Measure) -> None:
    leader, replica = site.leader, site.replicas[0]
    site.job("full")
    older = site.labels()[-1]
    site.job("full")
    newer = site.labels()[-1]
    assert newer != older
    path = largest_file(site, newer)
    with harmed(site, path, DAMAGE):
        started = time.monotonic()
        said = site.failing_job("verify")
        measure("until verify told", time.monotonic() - started, "s")
        print(f"\n{said}")
        assert f"invalid checksum '{path[path.index(newer) :]}'" in said
        started = time.monotonic()
        with restored(site, replica, older):
            measure("older set restored and open", time.monotonic() - started, "s")
            assert site.on(replica, ask(CONTENTS)) == site.on(leader, psql(CONTENTS)) != ""
    assert site.labels()[-1] == newer


def test_a_damaged_set_fails_the_rehearsal_which_names_the_file(site: Site, measure: Measure) -> None:
    site.job("full")
    newest = site.labels()[-1]
    path = largest_file(site, newest)
    with harmed(site, path, DAMAGE):
        run = play(REHEARSE)
        measure("rehearsal that failed", run.seconds, "s")
        assert run.code != 0
        assert path[path.index(newest) :] in run.text, run.output[-3000:]
    run = play(REHEARSE)
    assert run.code == 0, run.output[-3000:]
    measure("rehearsal of the set when it was whole again", run.seconds, "s")


@pytest.mark.usefixtures("without_markers")
def test_a_lost_segment_fails_rehearsal_and_verify_and_sets_beside_it_restore(site: Site, measure: Measure) -> None:
    leader, replica, older = site.leader, site.replicas[0], site.labels()[-1]
    before_gap, target = write_markers(site, leader), site.on(leader, psql("select pg_current_wal_lsn()"))
    for _ in range(6):
        site.fill_segment(leader)
    wait_for("the segments in the repository", lambda: not site.queued(leader), 60)
    before, path, after = neighbours(site)
    lost, *around = [PurePosixPath(name).name[:24] for name in (path, before, after)]
    with harmed(site, path, "rm {path}"):
        run = play(REHEARSE)
        measure("rehearsal that failed", run.seconds, "s")
        assert run.code != 0
        assert f"gave all segments up to {around[0]}, and not the next one, {lost}." in run.text, run.output[-3000:]
        # What the newer set holds: rows from just before it, and the application's.
        written, contents = write_markers(site, leader), site.on(leader, psql(CONTENTS))
        site.job("incr")
        started = time.monotonic()
        said = site.failing_job("verify")
        measure("until verify told", time.monotonic() - started, "s")
        print(f"\n{said}")
        assert f"WAL {lost} is missing (after {around[0]}, before {around[1]})" in said
        # A set that was made after the gap does not need what is lost.
        started = time.monotonic()
        with restored(site, replica, site.labels()[-1]):
            measure("newer set restored and open", time.monotonic() - started, "s")
            assert site.on(replica, ask(markers.READ)) == written
            assert site.on(replica, ask(CONTENTS)) == contents
        # One from before it comes up to the gap.
        started = time.monotonic()
        with restored(site, replica, older, "--type=lsn", f"--target={target}", "--target-action=promote"):
            measure("older set restored to a target before the gap", time.monotonic() - started, "s")
            assert site.on(replica, ask(markers.READ)) == before_gap
        run = play(REHEARSE)
        assert run.code == 0, run.output[-3000:]
        measure("rehearsal of the newer set", run.seconds, "s")
