"""From three database hosts to four and back on the living cluster: the fourth leads, leaves, and nothing is lost."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.host import clients
from tests.host.environment import ROOT, Environment
from tests.proofs.tools import SITE, Members, healthy, leader_of, play, script, wait_for, writing

pytestmark = pytest.mark.long

STACK = ROOT / "Pulumi.lab.yaml"
UP = "pulumi up --yes --skip-preview --stack lab"
NEW = "db4"
JOIN_SECONDS_MAX = 180
SWITCH_SECONDS_MAX = 60
TABLES = ("accounts_skill", "accounts_user", "gigs_category", "orders_order", "payments_wallet", "django_migrations")


def states() -> dict[str, str]:
    """Database hosts of the contract with their state."""
    contract = json.loads(clients.shell("pulumi stack output contract --json --stack lab"))
    return {host["name"]: host["state"] for host in contract["clusters"]["main"]["hosts"]}


def retire() -> None:
    """Mark the new host in the stack's settings."""
    clients.shell(f"pulumi config set --path 'retiring_hosts[0]' {NEW} --stack lab && {UP}")


def rows(card: dict[str, Any]) -> dict[str, Any]:
    """How many rows each of some tables has."""
    with clients.connect(card, "pooled") as connection:
        return {table: connection.execute(f"select count(*) from {table}").fetchone() for table in TABLES}  # noqa: S608 (named above)


@pytest.fixture
def declared() -> Iterator[None]:
    """The stack's settings as they are in the repository; whatever fails, they and the hosts are so again."""
    text = STACK.read_text(encoding="utf-8")
    try:
        yield
    finally:
        found = states().get(NEW)
        if found == "active":
            retire()
        if found:
            play(SITE)  # it leaves the cluster before it is removed
        STACK.write_text(text, encoding="utf-8")
        if found:
            clients.shell(UP)


@pytest.mark.usefixtures("declared")
def test_a_fourth_host_joins_leads_and_retires_without_losing_a_row(
    lab: Environment, members: Members, card: dict[str, Any]
) -> None:
    count, before = len(lab.hosts("database")), rows(card)
    assert NEW not in states()

    clients.shell(f"pulumi config set database_hosts {count + 1} --stack lab && {UP}")
    run = play(SITE)
    assert run.code == 0, run.output[-4000:]
    joined = f"{NEW} follows"
    wait_for(joined, lambda: NEW in members() and healthy(members(), count + 1), JOIN_SECONDS_MAX)
    old = leader_of(members())
    switch = f"patronictl -c /etc/patroni/config.yml switchover --leader {old} --candidate {NEW} --force"
    script(lab, old, f"runuser -u postgres -- {switch}")
    wait_for(f"{NEW} leads", lambda: leader_of(members()) == NEW, SWITCH_SECONDS_MAX)
    wait_for("all follow it", lambda: healthy(members(), count + 1), JOIN_SECONDS_MAX)

    retire()
    assert states()[NEW] == "retiring"
    with writing(card) as writer:
        run = play(SITE)
        assert run.code == 0, run.output[-4000:]
        written = len(writer.acknowledged)
        wait_for("writes afterwards", lambda: len(writer.acknowledged) > written + 50, SWITCH_SECONDS_MAX)
    print(f"\n{len(writer.acknowledged)} rows written while {NEW}, the leader, retired;", end=" ")
    print(f"longest time without an acknowledged write: {writer.longest_gap:.1f} s")
    assert writer.lost() == set()
    wait_for("the others are a cluster", lambda: healthy(members(), count), JOIN_SECONDS_MAX)
    assert set(members()) == set(lab.hosts("database"))

    # The inventory as it is now: it still knows the host.
    widened = Environment(lab.name)
    gone = script(widened, NEW, "systemctl is-active patroni haproxy pgbouncer pgbackrest cron || true")
    assert set(gone.split()) == {"inactive"}, "a host that left speaks for the cluster"
    assert script(widened, NEW, "ls /var/lib/postgresql/17/main/PG_VERSION"), "its data are kept until it is removed"

    clients.shell(
        f"pulumi config rm retiring_hosts --stack lab && pulumi config set database_hosts {count} --stack lab && {UP}"
    )
    assert NEW not in states()
    assert f"lab-{NEW}" not in clients.shell("podman ps --all --format '{{.Names}}'; ls .lab/volumes; losetup --list")
    assert rows(card) == before
