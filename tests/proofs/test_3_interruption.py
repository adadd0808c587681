"""A run that is killed in the middle is gone on from: `make up` also makes up for reloads that never came."""

import subprocess
from collections.abc import Callable

import pytest

from tests.host.environment import ROOT, Environment
from tests.proofs.tools import SITE, Snapshot, differences, killed, psql, script, wait_for

pytestmark = pytest.mark.long

JOURNAL = "/etc/systemd/journald.conf.d/60-platform.conf"
PATRONI = "/etc/patroni/config.yml"
PREFIX = psql("show log_line_prefix")
# Files that are newer than the start of the journal, which reads them only then.
UNREAD = (
    f"find {JOURNAL} -newermt"
    ' "$(systemctl show --property=ActiveEnterTimestamp --timestamp=unix --value systemd-journald)"'
)
RELOAD_SECONDS_MAX = 30


def sums(path: str) -> str:
    return f"sha256sum < {path}"


def test_killed_runs_are_gone_on_from(
    lab: Environment, leader: str, snapshot: Snapshot, on: Callable[[str, str], str]
) -> None:
    before = snapshot()
    journal, patroni = on(leader, sums(JOURNAL)), on(leader, sums(PATRONI))

    # Killed when the file is written and the handler waits.
    script(lab, leader, f"echo '# altered' >> {JOURNAL}")
    killed(SITE, at="host_baseline : Configure | Set the running kernel")
    assert on(leader, sums(JOURNAL)) == journal, "the run was killed before it came to the file"
    assert on(leader, UNREAD) == JOURNAL, "the journal has read it already: the run was killed too late"

    # Further on: PostgreSQL runs with what the altered file said, and the reload of the mended one is still to come.
    script(lab, leader, f"sed -i 's/%m \\[%p\\]/altered %m [%p]/' {PATRONI}; systemctl reload patroni.service")
    wait_for("the alteration is in force", lambda: "altered" in on(leader, PREFIX), RELOAD_SECONDS_MAX)
    killed(SITE, at="patroni : Service |")
    assert on(leader, sums(PATRONI)) == patroni, "the run was killed before it came to the file"
    assert "altered" in on(leader, PREFIX), "Patroni was reloaded already: the run was killed too late"

    again = subprocess.run(
        ["lab/run", "up", "--no-verification"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=1200
    )
    assert again.returncode == 0, again.stdout[-4000:] + again.stderr
    assert "altered" not in on(leader, PREFIX), "the reload of Patroni that was lost was not made up for"
    assert on(leader, UNREAD) == "", "the restart of the journal that was lost was not made up for"
    assert differences(before, snapshot()) == {}
