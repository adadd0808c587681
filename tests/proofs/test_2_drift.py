"""What is altered behind the play's back is reported and repaired by the next run: all of it, in one run."""

from collections.abc import Callable

from tests.host.environment import Environment
from tests.proofs.conftest import SITE, play

FILES = "grep -rlsI 'Ansible managed' /etc | sort"
# A comment that every format takes; JSON and PEM files carry no such header.
ALTER_FILES = f"{FILES} | while read -r file; do echo '# altered behind the back' >> $file; done"
SUMS = f"{FILES} | xargs sha256sum"
PSQL = "runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d freelance_platform -c"
ALTER_DATABASE = [
    "grant truncate on accounts_skill to reporting_user",
    "revoke insert on accounts_skill from freelance_user",
    "alter role freelance_staff createdb",
    "create role stranger login",
    "alter role reporting_user reset statement_timeout",
]
GRANTS = (
    "select table_name, grantee, privilege_type from information_schema.role_table_grants"
    " where table_schema = 'public' order by 1, 2, 3"
)
STATE = f'{PSQL} "{GRANTS}"; {PSQL} "select rolname, rolcreatedb, rolconfig from pg_roles order by 1"'  # noqa: S608 - constants


def test_every_alteration_is_reported_and_repaired(
    lab: Environment,
    on: Callable[[str, str], str],
    everywhere: Callable[[str], dict[str, str]],
    leader: str,
) -> None:
    files, state = everywhere(SUMS), on(leader, STATE)
    replica = next(name for name in lab.hosts("database") if name != leader)
    cache = lab.hosts("cache")[0]
    for statement in ALTER_DATABASE:
        on(leader, f'{PSQL} "{statement}"')
    on(leader, "runuser -u postgres -- patronictl -c /etc/patroni/config.yml edit-config --force -p work_mem=3MB")
    on(replica, "systemctl disable --now pgbouncer.service")
    on(cache, "systemctl stop valkey-server.service")
    on(replica, "chmod 0644 /etc/ssl/platform/postgresql.key && chown root /etc/patroni/config.yml")
    on(replica, "mkdir -p /etc/systemd/system/etcd.service.d")
    everywhere(ALTER_FILES)
    altered = everywhere(SUMS)
    assert all(altered[name] != files[name] for name in files)

    run = play(SITE)

    # A role that nobody declared is told and left to a person: it may own something.
    on(leader, f"{PSQL} 'drop role stranger'")
    assert run.code == 0, run.output[-4000:]
    assert "stranger" in run.output
    assert {host for host, _ in run.changed} >= set(lab.hosts("all"))
    repaired = everywhere(SUMS)
    different = {host: set(repaired[host].splitlines()) ^ set(files[host].splitlines()) for host in files}
    assert different == {host: set() for host in files}, "files that the run has not repaired"
    assert on(leader, STATE) == state, "privileges that the run has not repaired"
    assert on(leader, f"{PSQL} 'show work_mem'") != "3MB"
    assert on(replica, "systemctl is-active pgbouncer && systemctl is-enabled pgbouncer").split() == [
        "active",
        "enabled",
    ]
    assert on(cache, "systemctl is-active valkey-server") == "active"
    assert on(replica, "stat -c '%U %a' /etc/ssl/platform/postgresql.key /etc/patroni/config.yml").splitlines() == [
        "postgres 600",
        "postgres 600",
    ]
