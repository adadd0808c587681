"""Drills: what every one of them begins and ends with, and how outcomes are kept."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

import pytest

from lab.paths import STATE
from tests.drills import markers, scratch
from tests.drills.record import FAILED, PASSED, Drill, Record, commit
from tests.drills.tools import UNDO, Site
from tests.host.environment import Environment
from tests.proofs.conftest import (  # noqa: F401 — fixtures and a hook, found by their names
    card,
    lab,
    members,
    pytest_runtest_makereport,
)
from tests.proofs.tools import Members, psql, wait_for

SETTLE_SECONDS_MAX = 180
# What a drill that was killed may have left half done is not undone unasked.
HEALTHY = (
    "a healthy cluster and archive (left half done: `restore_cluster.yml -e restore_target=undo` for a restore,"
    " `pulumi up` and `rebuild_cluster.yml` for lost hosts, `remake_member.yml --limit HOST` for a full volume)"
)
REASON_COLUMNS = 300
Measure = Callable[[str, float, str], None]


class Keeper:
    """Keeps each drill's outcome the moment it is known, and leaves out those that passed in this run before."""

    def __init__(self) -> None:
        self.reports: dict[str, list[pytest.TestReport]] = {}

    def record(self, nodeid: str) -> Record:
        """The record of a drill's group."""
        group = nodeid.partition("::")[0].split("/")[-2]
        return Record(STATE / f"drills-{group}.json")

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what need not be repeated."""
        if os.environ.get("DRILLS_ALL") == "1":
            return
        done = [item for item in items if item.name in self.record(item.nodeid).passed()]
        config.hook.pytest_deselected(items=done)
        items[:] = [item for item in items if item not in done]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the outcome once the last part, the look at what the drill leaves, is over."""
        parts = self.reports.setdefault(report.nodeid, [])
        parts.append(report)
        if report.when != "teardown":
            return
        failed = [part for part in parts if not part.passed]
        reason = str(getattr(failed[0].longrepr, "reprcrash", failed[0].longrepr)) if failed else ""
        self.record(report.nodeid).add(
            Drill(
                name=report.nodeid.rpartition("::")[2],
                outcome=FAILED if failed else PASSED,
                seconds=round(sum(part.duration for part in parts), 1),
                date=datetime.now(UTC).isoformat(timespec="minutes"),
                commit=commit(),
                figures=[value for key, value in report.user_properties if key == "figure"],  # type: ignore[misc] # pytest calls any value an object
                reason=" ".join(reason.split())[:REASON_COLUMNS],
            )
        )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Keeper())


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Measure:
    """Keep a figure of this drill and print it."""

    def keep(what: str, value: float, unit: str) -> None:
        request.node.user_properties.append(("figure", (what, round(value, 1), unit)))
        print(f"\n{what}: {value:.1f} {unit}", end="")

    return keep


@pytest.fixture(scope="session")
def site(lab: Environment, members: Members) -> Site:  # noqa: F811 — the fixtures
    """The lab, without what a drill that was killed may have left."""
    found = Site(lab, members, lab.hosts("repository")[0])
    for host in lab.hosts("all"):
        found.podman("start", host)  # one that runs goes on
        wait_for(host, partial(found.answers, host), SETTLE_SECONDS_MAX)
    found.on(found.repository, UNDO)
    for host in [*lab.hosts("database"), found.repository]:
        found.on(host, scratch.REMOVE)
    wait_for(HEALTHY, found.settled, SETTLE_SECONDS_MAX)
    found.on(found.leader, psql(markers.REMOVE))
    return found


@pytest.fixture(autouse=True)
def whole(site: Site) -> Iterator[None]:
    """Begin and end with a healthy cluster, an archive that keeps up, and a repository that is whole."""
    wait_for("a healthy cluster and archive, before the drill", site.settled, SETTLE_SECONDS_MAX)
    yield
    started = time.monotonic()
    wait_for("a healthy cluster and archive, after the drill", site.settled, SETTLE_SECONDS_MAX)
    site.job("verify")
    print(f"\nhealthy and whole again after {time.monotonic() - started:.0f} s")
