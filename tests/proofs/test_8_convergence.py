"""A converged site, after repair and reboot: the next run and the next check change nothing and restart nothing."""

from collections.abc import Callable

from tests.proofs import unchecked
from tests.proofs.tools import SITE, observe, play

STARTED = (
    "if [ -S /run/postgresql/.s.PGSQL.5432 ]; then"
    " runuser -u postgres -- psql -XAtc 'select pg_postmaster_start_time()'; fi;"
    " systemctl show -p ActiveEnterTimestamp patroni etcd haproxy pgbouncer pgbackrest valkey-server"
)


def test_a_second_run_changes_nothing_and_restarts_nothing(everywhere: Callable[[str], dict[str, str]]) -> None:
    before = everywhere(STARTED)
    run = play(SITE)
    assert run.code == 0, run.output[-3000:]
    assert run.changed == []
    assert everywhere(STARTED) == before


def test_a_check_of_the_running_site_reports_no_change(everywhere: Callable[[str], dict[str, str]]) -> None:
    before = everywhere(STARTED)
    run = observe(SITE, "--check")
    assert run.code == 0, run.output[-3000:]
    unchecked.tell(run)
    assert run.changed == []
    assert everywhere(STARTED) == before
