"""The nightly dump, started as cron starts it: one host acts, says so; what it wrote can be read back, shipped too."""

import json
import re
from collections.abc import Callable

from tests.host.environment import Environment
from tests.proofs.tools import play, psql, script

CRONTAB = "/etc/cron.d/freelance-backup"
# The user and the command of cron's own line, under cron's own environment.
AS_CRON = (
    r"line=$(grep -E 'freelance-backup dump' " + CRONTAB + r" | sed -E 's/^([^ ]+ +){5}//; s/ *>.*//');"
    " user=${line%% *}; path=$(sed -n 's/^PATH=//p' " + CRONTAB + ");"
    ' runuser -u "$user" -- env -i PATH="$path" SHELL=/bin/sh HOME=/var/lib/postgresql /bin/sh -c "${line#* }"'
)
PLAYBOOKS = "ansible/playbooks"
LAB = ("-i", "inventories/lab")
STATUS = "/var/lib/freelance-backup/dump.json"


def test_the_nightly_dump_is_taken_by_one_host_and_can_be_read_back(
    lab: Environment, everywhere: Callable[[str], dict[str, str]]
) -> None:
    hosts = lab.hosts("database")
    began = {host: int(script(lab, host, "date +%s")) for host in hosts}
    # At the same time on all of them, as at night.
    said = {host: text for host, text in everywhere(f"if [ -d /etc/patroni ]; then {AS_CRON}; fi").items() if text}
    acting = [host for host in hosts if "dump succeeded" in said[host]]
    assert len(acting) == 1, said
    for host in set(hosts) - set(acting):
        assert f"dump: {acting[0]} acts" in said[host], said[host]
        assert "dump: another host acts, nothing to do here" in said[host], said[host]

    status = json.loads(script(lab, acting[0], f"cat {STATUS}"))
    assert (status["exit_status"], status["host"]) == (0, acting[0])
    assert status["finished_timestamp_seconds"] >= began[acting[0]]
    assert status["bytes"] > 0
    metrics = script(lab, acting[0], "cat /var/lib/prometheus/node-exporter/freelance_backup_dump.prom")
    assert 'freelance_backup_exit_status{job="dump"} 0' in metrics
    for name in ("duration_seconds", "bytes"):
        assert f'freelance_backup_{name}{{job="dump"}} {status[name]}' in metrics.splitlines()

    newest = "ls -t /var/backups/postgresql/{} | head -n 1"
    dump = script(lab, acting[0], newest.format("full_backup_freelance_platform_*.dump"))
    assert script(lab, acting[0], f"stat --format='%U %a' {dump}") == "postgres 600"
    contents = script(lab, acting[0], f"runuser -u postgres -- pg_restore --list {dump}")
    tables = set(re.findall(r"TABLE DATA public (\S+)", contents))
    assert {"accounts_user", "orders_order", "payments_wallet", "django_migrations"} <= tables
    # The data of a table comes out of it as it is in the database.
    restored = f"runuser -u postgres -- pg_restore --data-only --table=accounts_skill --file=- {dump}"
    lines = f"{restored} | grep -cE '^[0-9a-f]{{8}}-'"
    assert script(lab, acting[0], lines) == script(lab, acting[0], psql("select count(*) from accounts_skill"))
    for kind in ("globals_*.sql", "schema_freelance_platform_*.sql"):
        assert script(lab, acting[0], f"test -s $({newest.format(kind)}) && echo there") == "there"
    print(f"\n{acting[0]} dumped {len(tables)} tables, {status['bytes']} bytes in {status['duration_seconds']} s")

    # The host that made it is as good as lost: a shipped dump restores on another, with what decrypts it.
    name = dump.rpartition("/")[2]
    script(lab, acting[0], f"mv {dump} /var/backups/{name}")
    try:
        verified = play(*LAB, f"{PLAYBOOKS}/verify_dump.yml", "-e", f"verify_dump_file={name}")
    finally:
        script(lab, acting[0], f"mv /var/backups/{name} {dump}")
    assert verified.code == 0, verified.output
    assert f"verify of {name}: tables " in verified.text, verified.output
    # The application could use it, and no migration came since.
    assert "differing_rows 0, newer_rows 0, application /opt/freelance-platform/current" in verified.text, (
        verified.output
    )
    assert "System check identified no issues" in verified.text, verified.output
    assert verified.changed == []
    for host in hosts:
        assert script(lab, host, "ls /var/backups/postgresql | grep -vE '^(full_backup|schema|globals)_' || true") == ""
        assert script(lab, host, "ls -A /var/lib/postgresql/scratch") == ""


def newest_dump(lab: Environment) -> str:
    """Name the newest dump, on whichever host it lies."""
    dumps = "ls /var/backups/postgresql | grep full_backup_ | tail -n 1 || true"
    return max(script(lab, host, dumps) for host in lab.hosts("database"))


def test_one_table_comes_back_beside_the_live_one(lab: Environment, leader: str) -> None:
    # From a repository: a replica has taken the dump.
    words = f"restore_database_file={newest_dump(lab)} restore_database_into=side"
    content = "select count(*), md5(string_agg(kept::text, ',' order by kept::text)) from accounts_skill kept"
    live = script(lab, leader, psql(content))
    try:
        beside = play(
            *LAB, f"{PLAYBOOKS}/restore_database.yml", "-e", f"{words} restore_database_table=public.accounts_skill"
        )
        assert beside.code == 0, beside.output
        assert beside.changed == [(leader, "Dump | Read and restore it")]
        assert script(lab, leader, psql(content, database="side")) == live
        # Of the table that was asked for, and of no other.
        assert script(lab, leader, psql("select count(*) from django_migrations", database="side")) == "0"
        assert script(lab, leader, psql(content)) == live
    finally:
        script(lab, leader, "runuser -u postgres -- dropdb --if-exists side")


def test_a_cluster_in_use_is_not_restored_from_a_dump(lab: Environment) -> None:
    words = (*LAB, f"{PLAYBOOKS}/restore_from_dump.yml", "-e", f"restore_from_dump_file={newest_dump(lab)}", "-e")
    another = play(*words, "restore_confirmed=production-main")
    assert another.code != 0
    assert "The name of the cluster, lab-main, was not typed. Nothing was changed." in another.text
    used = play(*words, "restore_confirmed=lab-main")
    assert used.code != 0
    assert "an empty cluster is wanted (0): it was not touched" in used.text, used.output
    assert (another.changed, used.changed) == ([], [])
