"""What is altered behind the play's back is reported and repaired by the next run: all of it at once, in one run."""

import re
from collections.abc import Callable
from typing import Any

from tests.host import clients
from tests.host.environment import Environment
from tests.proofs import alterations
from tests.proofs.alterations import Alteration
from tests.proofs.tools import (
    SITE,
    Members,
    Run,
    Snapshot,
    differences,
    healthy,
    leader_of,
    observe,
    psql,
    script,
    scripts,
    wait_for,
)

HEADERS = "Ansible managed|(Written|[Mm]anaged) by the role"
# New certificates were signed, and PostgreSQL was stopped on one host: they differ from before, and rightly so.
RENEWED = r"/etc/ssl/platform/(pgbouncer|valkey)\.crt$|^started\|"
# A member that was stopped leaves the list when its key expires.
COMING_AND_GOING = r"^member "
REJOIN_SECONDS_MAX = 120


def unnamed(run: Run, done: list[Alteration]) -> list[str]:
    """Alterations that no changed task of their host names; of the cluster's own, any host may tell."""
    return [
        f"{one.host}: {one.what}"
        for one in done
        if not any(re.search(one.named, text) for host, text in run.told if host == one.host or one.cluster)
    ]


def test_the_list_of_files_is_whole(lab: Environment, everywhere: Callable[[str], dict[str, str]]) -> None:
    """Whatever says that it is managed is one of the files that are altered below."""
    found = everywhere(f"grep -rlsIE '{HEADERS}' /etc /usr/local || true")
    for host, paths in found.items():
        known = {
            *alterations.files(lab, host),
            *(f"{alterations.UNITS}/{unit}" for unit in alterations.mounts(lab, host)),
        }
        assert set(paths.splitlines()) <= known, host


def test_every_alteration_is_reported_by_a_check_and_repaired_by_a_run(
    lab: Environment,
    members: Members,
    snapshot: Snapshot,
    card: dict[str, Any],
) -> None:
    count, leader = len(lab.hosts("database")), leader_of(members())
    before = snapshot()
    done = alterations.of(lab, leader)
    scripts(lab, alterations.by_host(done))
    altered = snapshot()
    assert set(differences(before, altered)) == set(lab.hosts("all"))

    check = observe(SITE, "--check")
    assert check.code == 0, check.output[-4000:]
    assert unnamed(check, [one for one in done if not one.unchecked]) == [], "not reported by --check"
    assert differences(altered, snapshot(), COMING_AND_GOING) == {}, "changed by --check"

    run = observe(SITE)
    # A role that nobody declared is told and left to a person: it may own something.
    script(lab, leader, psql("drop role if exists stranger"))
    assert run.code == 0, run.output[-4000:]
    assert unnamed(run, done) == [], "not reported by the run"
    wait_for("all members are back", lambda: healthy(members(), count), REJOIN_SECONDS_MAX)
    assert leader_of(members()) == leader, "another leads: what differs from before would be its"
    assert differences(before, snapshot(), RENEWED) == {}, "not repaired"
    with clients.connect(card, "pooled") as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    hosts, tasks = len(before), {task for _, task in run.changed}
    print(f"\n{len(done)} alterations on {hosts} hosts, each reported and repaired by one of {len(tasks)} tasks")
    print("\n".join(f"  not told by --check: {one.host}: {one.what}: {one.unchecked}" for one in done if one.unchecked))
