"""A converged site, after repair and reboot: the next run and the next check change nothing and restart nothing."""

import re
from collections.abc import Callable

from tests.host import clients
from tests.host.environment import Environment
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


def test_the_bare_inventory_and_ad_hoc_commands_know_all_hosts_and_groups(lab: Environment) -> None:
    groups = {line.strip("|- ") for line in clients.shell("ansible-inventory --graph").splitlines()}
    names = ("all", "database", "etcd", "repository", "cache", "services")
    assert {f"@{name}:" for name in names} | set(lab.hosts("all")) <= groups
    answers = re.findall(r"(?m)^(\S+) \| SUCCESS =>.*\n(?: .*\n)*? +ping: pong$", clients.shell("ansible all -m ping"))
    assert sorted(answers) == sorted(lab.hosts("all"))


def test_a_check_of_one_host_alone_reports_no_change(lab: Environment) -> None:
    run = observe(SITE, "--check", "--limit", lab.hosts("database")[1])
    assert run.code == 0, run.output[-3000:]
    assert {host for _, host, _, _ in run.results} == {lab.hosts("database")[1]}
    assert run.changed == []
