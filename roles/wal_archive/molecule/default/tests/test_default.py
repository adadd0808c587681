"""A segment arrives, a backup exists, a restore brings the rows back, and nobody else gets in."""

import json
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


def test_a_new_segment_arrives_in_the_repository(postgres):
    # A switch does nothing at the start of a segment: something has to be written first.
    postgres("psql -qc 'select pg_logical_emit_message(true, $$test$$, $$a segment$$)'")
    segment = postgres("psql -qtAc 'select pg_walfile_name(pg_switch_wal())'")
    wait_until(lambda: json.loads(postgres(f"{STANZA} --output=json info"))[0]["archive"][-1]["max"] >= segment)
    assert int(postgres("psql -qtAc 'select archived_count from pg_stat_archiver'")) > 0


def test_an_encrypted_full_backup_exists(postgres):
    [held] = json.loads(postgres(f"{STANZA} --output=json info"))
    assert held["status"]["code"] == 0, held["status"]
    assert held["cipher"] == "aes-256-cbc"
    assert [backup["type"] for backup in held["backup"]] == ["full"]
    assert held["backup"][0]["error"] is False


def test_a_restore_brings_back_a_row_written_after_the_backup(host, postgres):
    postgres("psql -qc 'drop table if exists marker' -c 'create table marker as select 42 as answer'")
    postgres("psql -qtAc 'select pg_switch_wal()'")
    postgres(f"{STANZA} check")
    host.run("rm -rf /var/tmp/restored")
    try:
        postgres(f"{STANZA} --pg1-path=/var/tmp/restored restore")
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


def test_another_stanza_is_refused_by_the_repository(host):
    refused = host.run("cd / && sudo -u postgres pgbackrest --stanza=other info")
    assert "access denied" in refused.stdout, refused.stdout + refused.stderr


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
