"""What only a host can show: refused in the middle of a run, and nothing is lost."""

from collections.abc import Iterator

import pytest

from tests.host.environment import Environment
from tests.proofs.tools import SITE, Members, Snapshot, differences, healthy, play, script, wait_for

REJOIN_SECONDS_MAX = 120
DATA = "/var/lib/postgresql/17/main"
BIN = "/usr/lib/postgresql/17/bin"
IDENTIFIER = f"{BIN}/pg_controldata -D {DATA} | sed -n 's/^Database system identifier: *//p'"


@pytest.fixture
def foreign_data(lab: Environment, members: Members, leader: str) -> Iterator[tuple[str, str, str]]:
    """A standby whose data directory was swapped for one of another cluster: host, its identifier, ours."""
    host = next(name for name in reversed(lab.hosts("database")) if name != leader)
    own = script(lab, host, IDENTIFIER)
    script(lab, host, f"systemctl stop patroni.service; mv {DATA} {DATA}.kept")
    try:
        script(
            lab,
            host,
            f"install -d -o postgres -g postgres -m 0700 {DATA}; cd /; runuser -u postgres -- {BIN}/initdb -D {DATA}"
            " --no-sync --auth-local=peer --auth-host=scram-sha-256",
        )
        yield host, script(lab, host, IDENTIFIER), own
    finally:
        script(lab, host, f"rm -rf {DATA}; mv {DATA}.kept {DATA}; systemctl start patroni.service")
        count = len(lab.hosts("database"))
        wait_for("the standby follows again", lambda: healthy(members(), count), REJOIN_SECONDS_MAX)


def test_the_data_directory_of_another_cluster_is_refused(
    lab: Environment, snapshot: Snapshot, foreign_data: tuple[str, str, str]
) -> None:
    host, foreign, own = foreign_data
    files = f"cd {DATA}; find . -type f -exec sha256sum {{}} + | sort -k2 | sha256sum"
    before, content = snapshot(), script(lab, host, files)
    run = play(SITE)
    assert run.code != 0
    told = f"{DATA} on {host} belongs to cluster {foreign}; cluster {lab.name}-main is {own}. Nothing was changed."
    assert told in run.text, run.output[-3000:]
    assert f"move it away on the host that does not belong here, both parts: mv {DATA} {DATA}.old" in run.text
    assert run.changed == []
    # A member that was stopped leaves the list when its key expires.
    assert differences(before, snapshot(), "^member ") == {}
    assert script(lab, host, files) == content
    assert script(lab, host, "systemctl is-active patroni.service || true") == "inactive"
