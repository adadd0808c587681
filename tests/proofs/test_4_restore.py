"""The cluster is taken back to just before an accident: nothing from before is missing, nothing from after is there."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

from tests.host import clients
from tests.host.environment import Environment
from tests.proofs.tools import (
    Members,
    differences,
    healthy,
    killed,
    leader_of,
    play,
    psql,
    script,
    typed,
    wait_for,
    writing,
)

RESTORE = "ansible/playbooks/restore_cluster.yml"
CLUSTER = "lab-main"
AFTER_SECONDS = 2
INFO = "runuser -u postgres -- env -C / pgbackrest --stanza=main --output=json info"
# Which data each member has, and who is let in.
LOOK = (
    "if [ -d /etc/patroni ]; then ls -di /var/lib/postgresql/17/* /var/lib/postgresql-wal/17/*;"
    " systemctl show -p ActiveEnterTimestamp patroni haproxy pgbouncer; fi"
)


def restore(*arguments: str) -> tuple[str, ...]:
    return (RESTORE, *(word for argument in arguments for word in ("-e", argument)))


def test_what_cannot_be_restored_is_refused_with_the_window(everywhere: Callable[[str], dict[str, str]]) -> None:
    before = everywhere(LOOK)
    given = json.dumps({"restore_target_value": "2100-01-01 00:00:00+00:00", "restore_confirmed": CLUSTER})
    run = play(*restore("restore_target=time", given))
    assert run.code != 0
    assert re.search(r"lies in the future.*The window is 20\S+ \S+ to 20", run.text), run.output[-3000:]
    assert (run.changed, differences(before, everywhere(LOOK))) == ([], {})


def test_another_name_typed_where_it_is_asked_for_is_refused(everywhere: Callable[[str], dict[str, str]]) -> None:
    before = everywhere(LOOK)
    run = typed(*restore("restore_target=latest"), question="Type the cluster's name to begin", answer="another")
    assert run.code != 0, run.output[-3000:]
    assert f"Everything that was written to {CLUSTER} after the target goes" in run.text, run.output[-3000:]
    assert f"The name of the cluster, {CLUSTER}, was not typed. Nothing was changed." in run.text, run.output[-3000:]
    assert (run.changed, differences(before, everywhere(LOOK))) == ([], {})


def test_a_dropped_table_comes_back_with_all_that_was_written_before(
    lab: Environment, leader: str, members: Members, card: dict[str, Any], everywhere: Callable[[str], dict[str, str]]
) -> None:
    with writing(card) as writer:
        before = set(writer.acknowledged)
        target = script(lab, leader, psql("select clock_timestamp()"))
        begun = len(writer.acknowledged)
        time.sleep(AFTER_SECONDS)
        script(lab, leader, psql("drop table orders_order cascade"))
    # What was under way when the time was asked for may be on either side.
    after = set(writer.acknowledged[begun + 1 :])
    assert len(after) > AFTER_SECONDS, "nobody wrote after the target"
    assert script(lab, leader, psql("select to_regclass('orders_order') is null")) == "t"

    given = restore("restore_target=time", json.dumps({"restore_target_value": target}), f"restore_confirmed={CLUSTER}")
    # Killed when the replay is over and its server still runs: the next run ends that and goes on with the same data
    # from before. The drills kill a copy and a replay halfway.
    killed(*given, at="Replay | Refuse a target")
    kept = everywhere("ls -d /var/lib/postgresql/17/main.before-* 2>/dev/null || true")
    run = play(*given)
    assert run.code == 0, run.output[-4000:]
    assert all(kept[host] for host in lab.hosts("database")), kept

    with clients.connect(card, "pooled") as connection:
        rows = {row[0] for row in connection.execute("select slug from accounts_skill where slug like 'proof-%'")}
        assert connection.execute("select count(*) from orders_order").fetchone() is not None
        clients.delete_skills(connection, f"proof-{writer.mark}-%")
    assert (before - rows, rows & after) == (set(), set()), "(missing, too much)"
    wait_for("each replica acknowledges", lambda: healthy(members(), len(lab.hosts("database"))), 60)
    left = everywhere(
        "ls -d /var/lib/postgresql*/17/*.before-* /var/lib/postgresql/17/restore.json 2>/dev/null || true"
    )
    assert set(left.values()) == {""}
    newest = json.loads(script(lab, leader_of(members()), INFO))[0]["backup"][-1]
    done = script(lab, leader, psql(f"select to_timestamp({newest['timestamp']['start']}) > '{target}'"))
    assert (newest["type"], newest["error"], done) == ("full", False, "t")
    print(
        f"\nback at {target} after {run.seconds:.0f} s: {len(before)} rows from before, none of {len(after)} from after"
    )


def test_the_newest_backup_was_read_from_a_replica(lab: Environment) -> None:
    """By what pgBackRest has written: a standby had to replay up to where the backup began."""
    repository = lab.hosts("repository")[0]
    last_run = r"""/ backup command begin / { said = "" } { said = said "\n" $0 } END { print said }"""
    said = script(lab, repository, f"awk '{last_run}' /var/log/pgbackrest/main-backup.log")
    newest = json.loads(script(lab, repository, INFO))[0]["backup"][-1]
    assert f"new backup label = {newest['label']}" in said, said
    assert "replay on the standby reached" in said, said
