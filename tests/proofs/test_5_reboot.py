"""All hosts rebooted at once come back as the same cluster; Patroni alone starts PostgreSQL."""

from collections.abc import Callable
from typing import Any

from tests.host import clients
from tests.host.environment import Environment
from tests.proofs.tools import healthy, play, wait_for

SECONDS_MAX = 180
IDENTIFIER = "runuser -u postgres -- psql -XAtc 'select system_identifier from pg_control_system()'"
# The unit whose process started the server: it stays in that unit's control group.
UNIT = "ps -o unit= -p $(head -1 /var/lib/postgresql/17/main/postmaster.pid)"


def test_all_hosts_rebooted_are_the_same_cluster(
    lab: Environment,
    on: Callable[[str, str], str],
    members: Callable[[], dict[str, dict[str, Any]]],
    leader: str,
    card: dict[str, Any],
) -> None:
    identifier = on(leader, IDENTIFIER)
    with clients.connect(card, "pooled") as connection:
        rows = connection.execute("select count(*) from accounts_skill").fetchone()
    run = play("ansible/playbooks/reboot_hosts.yml", "-e", "reboot_hosts_at_once=100%")
    assert run.code == 0, run.output[-3000:]
    names = lab.hosts("database")
    wait_for("all members run and one acknowledges", lambda: healthy(members(), len(names)), SECONDS_MAX)
    assert {on(name, IDENTIFIER) for name in names} == {identifier}
    for name in names:
        assert on(name, UNIT) == "patroni.service", f"{name}: PostgreSQL was not started by Patroni"
    with clients.connect(card, "pooled") as connection:
        assert connection.execute("select count(*) from accounts_skill").fetchone() == rows
