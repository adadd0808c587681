"""Dumps lie in the repository too, encrypted, and what becomes of them there is seen."""

import json

import pytest

DUMPS = "/var/backups/postgresql"
SHIPPED = "/var/lib/pgbackrest/freelance-dumps/main"


@pytest.fixture(scope="module")
def shipped(host):
    """Name of a dump that was just shipped."""
    done = host.run("cd / && sudo -u postgres freelance-backup dump")
    assert done.rc == 0, done.stderr
    return host.check_output(f"ls -t {DUMPS} | grep '^full_backup_shop_.*dump$' | head -n 1")


def test_a_dump_lies_in_the_repository_encrypted(host, as_postgres, shipped):
    there = json.loads(as_postgres("pgbackrest --stanza=main --output=json repo-ls freelance-dumps/main").stdout)
    assert there[shipped]["size"] > host.file(f"{DUMPS}/{shipped}").size
    assert host.check_output(f"head -c 8 {SHIPPED}/{shipped}") == "Salted__"
    outcome = json.loads(host.file("/var/lib/freelance-backup/dump.json").content_string)
    assert outcome["shipped_bytes"] > 0


def test_old_dumps_leave_the_repository_with_a_backup(host, as_postgres, shipped):
    stamp = shipped[17:32]
    for year in range(2011, 2019):
        copy = f'cp "$file" "$(echo "$file" | sed s/{stamp}/{year}0102_030405/)"'
        host.run_test(f"for file in {SHIPPED}/*{stamp}*; do {copy}; done")
    done = as_postgres("freelance-backup full")
    assert done.rc == 0, done.stderr
    left = host.check_output(f"ls {SHIPPED}").split()
    assert f"full_backup_shop_{stamp}.dump" in left
    # The newest seven runs stay whatever their age.
    runs = [name for name in left if name.startswith("sums_")]
    assert len(runs) >= 7
    assert [name for name in left if "_20110102_030405" in name] == []


def test_verify_names_a_shipped_dump_that_is_damaged(host, as_postgres, shipped):
    done = as_postgres("freelance-backup verify")
    assert done.rc == 0, done.stderr
    host.run_test(f"printf damage | dd of={SHIPPED}/{shipped} conv=notrunc seek=64 bs=1 status=none")
    done = as_postgres("freelance-backup verify")
    host.run_test(f"rm {SHIPPED}/*{shipped[17:32]}*")
    assert done.rc != 0
    assert f"freelance-dumps/main/{shipped}" in done.stderr
