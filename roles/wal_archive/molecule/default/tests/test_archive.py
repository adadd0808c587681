"""In each repository, of whatever type: a segment arrives, a backup exists, a restore brings the rows back."""

import json
import re
import time

import pytest

testinfra_hosts = ["ansible://database"]
STANZA = "pgbackrest --stanza=main"


@pytest.fixture
def postgres(host):
    def run(command):
        done = host.run(f"cd / && sudo -u postgres {command}")
        assert done.rc == 0, done.stdout + done.stderr
        return done.stdout.strip()

    return run


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.2)


@pytest.fixture
def info(postgres):
    """Ask what the repositories hold."""
    return lambda: json.loads(postgres(f"{STANZA} --output=json info"))[0]


@pytest.fixture
def repositories(info):
    """The numbers of the repositories."""
    return [state["key"] for state in info()["repo"]]


def test_a_new_segment_arrives_in_each_repository(postgres, info, repositories):
    # A switch does nothing at the start of a segment: something has to be written first.
    postgres("psql -qc 'select pg_logical_emit_message(true, $$test$$, $$a segment$$)'")
    segment = postgres("psql -qtAc 'select pg_walfile_name(pg_switch_wal())'")

    def arrived():
        newest = {archive["database"]["repo-key"]: archive["max"] for archive in info()["archive"]}
        return sorted(newest) == repositories and min(newest.values()) >= segment

    wait_until(arrived)
    assert int(postgres("psql -qtAc 'select archived_count from pg_stat_archiver'")) > 0
    # Whoever sends what waits in the spool, apart from the server's own call, keeps a log.
    sent = postgres("cat /var/log/pgbackrest/main-archive-push-async.log")
    assert re.search(rf"push \d+ WAL file\(s\) to archive: .*{segment}", sent), sent[-2000:]


def test_an_encrypted_full_backup_exists_in_each_repository(info, repositories):
    held = info()
    assert [(state["status"]["code"], state["cipher"]) for state in held["repo"]] == [
        (0, "aes-256-cbc") for _ in repositories
    ]
    assert sorted((backup["database"]["repo-key"], backup["type"], backup["error"]) for backup in held["backup"]) == [
        (number, "full", False) for number in repositories
    ]


def test_a_restore_from_each_repository_brings_back_a_row_written_after_the_backup(host, postgres, repositories):
    postgres("psql -qc 'drop table if exists marker' -c 'create table marker as select 42 as answer'")
    postgres("psql -qtAc 'select pg_switch_wal()'")
    postgres(f"{STANZA} check")
    for number in repositories:
        restore(host, postgres, number)


def restore(host, postgres, number):
    """Restore from one repository alone, its WAL included, and look for the row."""
    host.run("rm -rf /var/tmp/restored")
    pgbackrest = f"{STANZA} --repo={number} --pg1-path=/var/tmp/restored"
    fetch = f"{pgbackrest} --no-archive-async archive-get %f %p"
    try:
        postgres(f"{pgbackrest} --recovery-option='restore_command={fetch}' restore")
        postgres("cp -r /etc/postgresql/17/main/pg_hba.conf /etc/postgresql/17/main/pg_ident.conf /var/tmp/restored/")
        postgres("touch /var/tmp/restored/postgresql.conf")
        postgres(
            "/usr/lib/postgresql/17/bin/pg_ctl -D /var/tmp/restored -w -t 60 -l /var/tmp/restored/log "
            "-o '-p 5499 -c listen_addresses= -c archive_mode=off -c unix_socket_directories=/run/postgresql' start"
        )
        wait_until(lambda: postgres("psql -p 5499 -qtAc 'select pg_is_in_recovery()'") == "f")
        assert postgres("psql -p 5499 -qtAc 'select answer from marker'") == "42"
    finally:
        host.run("sudo -u postgres /usr/lib/postgresql/17/bin/pg_ctl -D /var/tmp/restored -m immediate stop")
        host.run("rm -rf /var/tmp/restored")


def test_the_servers_listen_on_their_own_address_alone(host):
    sockets = host.check_output("ss -Htln sport = :8432").splitlines()
    assert len(sockets) == 1, sockets
    assert not sockets[0].split()[3].startswith(("*", "0.0.0.0", "127."))  # noqa: S104 - what must not be there


@pytest.mark.parametrize("path", ["/etc/pgbackrest", "/etc/pgbackrest/pgbackrest.conf", "/var/spool/pgbackrest"])
def test_nobody_else_reads_the_configuration(host, path):
    assert host.file(path).mode & 0o007 == 0
    assert host.file(path).group == "postgres"


def test_nothing_in_the_configuration_is_unknown_to_pgbackrest(host):
    said = host.run("cd / && sudo -u postgres pgbackrest --stanza=main check 2>&1").stdout
    assert "invalid option" not in said
