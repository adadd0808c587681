"""What the database hosts, and strangers, find at the repository host."""

import os
import subprocess
from pathlib import Path

import pytest

CONFIG = "/etc/pgbackrest/pgbackrest.conf"


def test_the_server_answers_on_its_own_address_alone(host):
    name = host.check_output("hostname")
    assert host.run(f"sudo -u postgres pgbackrest server-ping --tls-server-address={name}").rc == 0
    [line] = host.check_output("ss -Htln sport = :8432").splitlines()
    assert not line.split()[3].startswith(("*", "0.0.0.0", "[::]", "127."))  # noqa: S104 - what must not be there


def test_a_host_that_is_not_listed_is_refused(host):
    """This host's own certificate is signed by the right authority, but its name is not a database host's."""
    name = host.check_output("hostname")
    files = " ".join(
        f"--repo1-host-{option}-file=/etc/ssl/platform/{file}"
        for option, file in {"ca": "ca.crt", "cert": "pgbackrest.crt", "key": "pgbackrest.key"}.items()
    )
    asked = f"pgbackrest --config=/dev/null --stanza=main --repo1-host={name} --repo1-host-type=tls {files} info"
    said = host.run(f"cd / && sudo -u postgres {asked}")
    assert "access denied" in said.stdout, said.stdout + said.stderr


def test_every_setting_is_known_to_pgbackrest(host):
    said = host.run("cd / && sudo -u postgres pgbackrest --stanza=main info")
    assert (said.rc, "missing stanza path" in said.stdout, "WARN" in said.stdout) == (0, True, False), said.stdout


@pytest.mark.parametrize(
    ("path", "user", "mode"),
    [(CONFIG, "root", 0o640), ("/etc/pgbackrest", "root", 0o750), ("/var/lib/pgbackrest", "postgres", 0o700)],
)
def test_nobody_else_reads_the_repository_or_its_passphrase(host, path, user, mode):
    file = host.file(path)
    assert (file.user, file.group, file.mode) == (user, "postgres", mode)


def test_the_passphrase_is_in_no_command_line_and_no_log(host):
    assert "only-of-this-scenario" not in host.check_output("ps axww -o args")
    assert "only-of-this-scenario" not in host.check_output("journalctl --no-pager | grep -v 'sudo\\['")


def test_backups_are_encrypted_kept_for_30_days_and_read_from_a_replica(host):
    lines = host.file(CONFIG).content_string.splitlines()
    wanted = {
        "repo1-cipher-type=aes-256-cbc",
        "repo1-retention-full-type=time",
        "repo1-retention-full=30",
        "repo1-bundle=y",
        "repo1-block=y",
        "compress-type=zst",
        "backup-standby=prefer",
        "pg3-host=db3",
        "tls-server-auth=db1=main",
    }
    assert wanted <= set(lines)


def test_it_runs_now_and_at_boot(host):
    assert host.service("pgbackrest").is_running
    assert host.service("pgbackrest").is_enabled


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
