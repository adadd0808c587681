"""What is altered behind the play's back is reported and repaired by the next run: all of it at once, in one run."""

import re
from collections.abc import Callable
from typing import Any

from tests.host import access_plan, clients
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
PENDING_SECONDS_MAX = 60
ANNOUNCED = "patroni : Restart | Announce the settings that wait for a restart"
PATRONICTL = "runuser -u postgres -- patronictl -c /etc/patroni/config.yml"


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
    planned = alterations.of(lab, leader)
    done = [one for one in planned if not one.unmade]
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
    # What a look can't show: a password's value, the words of a function.
    assert access_plan.differences(lab, leader) == []
    with clients.connect(card, "pooled") as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    hosts, tasks = len(before), {task for _, task in run.changed}
    print(f"\n{len(done)} alterations on {hosts} hosts, each reported and repaired by one of {len(tasks)} tasks")
    print("\n".join(f"  not told by --check: {one.host}: {one.what}: {one.unchecked}" for one in done if one.unchecked))
    unmade = [one for one in planned if one.unmade]
    print(f"{len(unmade)} are not made:")
    print("\n".join(f"  {one.host}: {one.what}: {one.unmade}" for one in unmade))


def test_what_the_running_cache_was_told_is_reported_by_a_check_and_repaired_by_a_run(
    lab: Environment, snapshot: Snapshot
) -> None:
    before, done = snapshot(), list(alterations.of_the_running_cache(lab))
    scripts(lab, alterations.by_host(done))
    altered = snapshot()
    assert set(differences(before, altered)) == set(lab.hosts("cache"))

    check = observe(SITE, "--check", "--tags", "cache")
    assert check.code == 0, check.output[-4000:]
    assert unnamed(check, done) == [], "not reported by --check"
    assert differences(altered, snapshot()) == {}, "changed by --check"

    run = observe(SITE, "--tags", "cache")
    assert run.code == 0, run.output[-4000:]
    assert unnamed(run, done) == [], "not reported by the run"
    assert differences(before, snapshot()) == {}, "not repaired"


def test_a_static_parameter_is_reported_announced_as_pending_and_repaired_once_a_restart_is_allowed(
    lab: Environment, members: Members, leader: str, snapshot: Snapshot
) -> None:
    """Each of them, altered for the cluster; one standby was restarted with one of them since."""
    count, scope = len(lab.hosts("database")), lab.declared(leader)["patroni_scope"]
    standby = next(name for name in reversed(lab.hosts("database")) if name != leader)
    static = alterations.static_parameters(lab, leader)
    done = [Alteration(leader, f"static {name}", "", alterations.setting(name), cluster=True) for name in static]
    wait_for("a healthy cluster", lambda: healthy(members(), count), REJOIN_SECONDS_MAX)
    before = snapshot()
    try:
        script(lab, leader, f"{PATRONICTL} edit-config --force --quiet -p shared_buffers=64MB")
        wait_for("it waits for a restart", lambda: "Pending restart" in members().get(standby, {}), PENDING_SECONDS_MAX)
        script(lab, leader, f"{PATRONICTL} restart --force {scope} {standby}")
        wait_for("the standby follows again", lambda: healthy(members(), count), REJOIN_SECONDS_MAX)
        running = psql("select pg_postmaster_start_time()", "show shared_buffers")
        altered = script(lab, standby, running)
        assert altered.endswith("64MB")
        # The others after that: a standby that starts with fewer connections than its leader has takes none.
        gone = " ".join(f"-p {name}=null" for name in static if name != "shared_buffers")
        script(lab, leader, f"{PATRONICTL} edit-config --force --quiet {gone}")

        check = observe(SITE, "--check", "--tags", "patroni")
        assert check.code == 0, check.output[-4000:]
        assert unnamed(check, done) == [], "not reported by --check"

        run = observe(SITE, "--tags", "patroni")
        assert run.code == 0, run.output[-4000:]
        assert unnamed(run, done) == [], "not reported by the run"
        announced = "\n".join(
            result["msg"] for _, host, task, result in run.results if (host, task) == (standby, ANNOUNCED)
        )
        assert f"{standby} waits for a restart" in announced, run.results
        assert "shared_buffers" in announced
        assert "Run again with -e postgresql_allow_restart=true" in announced
        assert script(lab, standby, running) == altered, "restarted unasked"
    finally:  # A cluster without them would start with defaults, and take the proofs that follow with it.
        allowed = observe(SITE, "--tags", "patroni", "-e", "postgresql_allow_restart=true")
    assert allowed.code == 0, allowed.output[-4000:]
    # A standby that was restarted acknowledges commits again a moment after it follows.
    wait_for("all members are back", lambda: healthy(members(), count), REJOIN_SECONDS_MAX)
    assert differences(before, snapshot(), r"^started\|") == {}, "not repaired"
    print(f"\n{len(static)} static parameters: {', '.join(static)}")
