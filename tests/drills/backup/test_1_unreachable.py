"""The repository can't be reached while clients write: they notice nothing, the WAL waits, the archive catches up."""

import time
from typing import Any

import pytest

from tests.drills.conftest import Measure
from tests.drills.tools import Site
from tests.proofs.tools import wait_for, writing

# archive_command gives up after pgBackRest's archive-timeout (60 s), or io-timeout where nothing answers at all.
ALERT_SECONDS_MAX = 180
ALERTED_SECONDS = 30  # for how long the alert has to stand before the repository comes back
CATCH_UP_SECONDS_MAX = 240


@pytest.mark.parametrize("way", ["refused", "dropped"])
def test_an_unreachable_repository_stops_no_write_and_is_caught_up_with(
    way: str, site: Site, card: dict[str, Any], measure: Measure
) -> None:
    leader = site.leader
    with writing(card) as writer:
        with site.unreachable(way):
            gone, before = time.monotonic(), len(writer.acknowledged)
            while not (found := site.alerts(leader)):
                assert time.monotonic() - gone < ALERT_SECONDS_MAX, "no alert condition became true"
                site.fill_segment(leader)
                time.sleep(2)
            measure("from the outage to the alert condition", alerted := time.monotonic() - gone, "s")
            print(f" ({'; '.join(found)})", end="")
            while time.monotonic() - gone < alerted + ALERTED_SECONDS:
                last = site.fill_segment(leader)
                assert site.alerts(leader), "the alert condition ended before the outage"
                time.sleep(2)
            measure("waiting at the end of the outage", waiting := site.queued(leader), "segments")
            assert waiting > 1
            measure("writes acknowledged during the outage", len(writer.acknowledged) - before, "rows")
            measure("outage", time.monotonic() - gone, "s")
        seconds = wait_for(
            "the archive to catch up by itself",
            lambda: not site.queued(leader) and not site.alerts(leader),
            CATCH_UP_SECONDS_MAX,
        )
        measure("catching up", seconds, "s")
    assert site.archived() >= last
    measure("longest time without an acknowledged write", writer.longest_gap, "s")
    assert writer.in_doubt == set(), "writes failed"
    assert writer.lost() == set()
