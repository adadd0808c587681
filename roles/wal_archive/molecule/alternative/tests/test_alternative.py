"""The configuration for a bucket: what pgBackRest reads, and that nothing pretends to be archived."""

import os
import subprocess
from pathlib import Path

import pytest

CONFIG = "/etc/pgbackrest/pgbackrest.conf"


def test_every_setting_is_known_to_pgbackrest(host):
    said = host.run(
        "cd / && sudo -u postgres pgbackrest --stanza=main --repo1-type=posix --repo1-path=/nonexistent info"
    )
    assert (said.rc, "missing stanza path" in said.stdout, "WARN" in said.stdout) == (0, True, False), said.stdout


def test_a_segment_is_never_acknowledged_while_the_bucket_is_out_of_reach(host):
    host.run("install -d -o postgres /tmp/pg/pg_wal /tmp/pg/global")
    host.run("sudo -u postgres sh -c 'head -c 16777216 /dev/zero > /tmp/pg/pg_wal/000000010000000000000001'")
    push = host.run(
        "cd /tmp/pg && sudo -u postgres timeout 60 pgbackrest --stanza=main --pg1-path=/tmp/pg --archive-timeout=5 "
        "archive-push pg_wal/000000010000000000000001"
    )
    assert push.rc != 0, push.stdout


def test_the_bucket_is_encrypted_twice_and_no_key_lies_on_the_host(host):
    lines = set(host.file(CONFIG).content_string.splitlines())
    assert {
        "repo1-type=s3",
        "repo1-path=/main",
        "repo1-s3-bucket=freelance-backup",
        "repo1-s3-key-type=auto",
        "repo1-s3-kms-key-id=arn:aws-cn:kms:cn-north-1:123456789012:key/0a1b",
        "repo1-cipher-type=aes-256-cbc",
        "repo1-retention-full=30",
    } <= lines
    assert not [line for line in lines if line.startswith(("repo1-s3-key=", "repo1-s3-key-secret"))]
    assert host.file(CONFIG).mode == 0o640


def test_the_other_database_hosts_are_read_and_may_read(host):
    lines = host.file(CONFIG).content_string.splitlines()
    assert [line for line in lines if line.startswith("tls-server-auth")] == [
        "tls-server-auth=db2=main",
        "tls-server-auth=db3=main",
    ]
    assert {"pg2-host=db2", "pg3-host=db3", "pg1-path=/var/lib/postgresql/17/main"} <= set(lines)
    assert not [line for line in lines if "wal-archive-alternative-1" in line]


def test_the_server_listens(host):
    assert ":8432" in host.check_output("ss -Htln")


def play(*options):
    """Play the role once more; returns the finished command."""
    playbook = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "../../lab/molecule/converge_role.yml"
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(
        ["ansible-playbook", "-i", inventory, playbook, *options],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


@pytest.mark.parametrize(
    ("path", "restarts"), [(CONFIG, False), ("/etc/systemd/system/pgbackrest.service", True)], ids=["reload", "restart"]
)
def test_a_load_that_a_run_was_kept_from_is_made_up_for(host, path, restarts):
    before = host.check_output("systemctl show -P MainPID pgbackrest")
    host.run("touch %s", path)
    assert "changed=1" in play("--check").stdout
    mended = play()
    assert "changed=2" in mended.stdout, mended.stdout  # what was found, and its handler
    assert (host.check_output("systemctl show -P MainPID pgbackrest") != before) == restarts
    assert "changed=0" in play("--check").stdout
