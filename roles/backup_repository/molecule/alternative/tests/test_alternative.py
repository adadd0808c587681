"""What the one listed database host finds at a repository with another folder, port and past."""

import pytest

CONFIG = "/etc/pgbackrest/pgbackrest.conf"
REPOSITORY = "/srv/repository"


@pytest.fixture
def ask(host):
    """Ask for a stanza over TLS with this host's own certificate."""

    def run(stanza):
        files = " ".join(
            f"--repo1-host-{option}-file=/etc/ssl/platform/{file}"
            for option, file in {"ca": "ca.crt", "cert": "pgbackrest.crt", "key": "pgbackrest.key"}.items()
        )
        server = "--repo1-host=backup-repository-alternative-1 --repo1-host-type=tls --repo1-host-port=8433"
        # timeout: it would go on trying for half an hour where nobody listens.
        asked = f"timeout 30 pgbackrest --config=/dev/null --stanza={stanza} {server} {files} info"
        return host.run(f"cd / && sudo -u postgres {asked}")

    return run


def test_the_listed_host_may_ask_for_its_stanza(ask):
    said = ask("shop")
    assert (said.rc, "missing stanza path" in said.stdout) == (0, True), said.stdout + said.stderr


def test_it_may_ask_for_no_other_stanza(ask):
    said = ask("main")
    assert "access denied" in said.stdout + said.stderr, said.stdout + said.stderr


@pytest.mark.parametrize("address", ["127.0.0.1", "backup-repository-alternative-1"])
def test_it_answers_on_every_address_at_the_declared_port(host, address):
    asked = f"pgbackrest server-ping --tls-server-address={address} --tls-server-port=8433"
    assert host.run(f"cd / && sudo -u postgres {asked}").rc == 0


def test_nothing_listens_at_the_usual_port(host):
    assert host.check_output("ss -Htln sport = :8432") == ""


def test_what_is_stored_lies_encrypted_in_the_declared_folder_and_nowhere_else(host):
    folder = host.file(REPOSITORY)
    assert (folder.user, folder.group, folder.mode) == ("postgres", "postgres", 0o700)
    put = host.run("cd / && echo in-clear | sudo -u postgres pgbackrest --stanza=shop repo-put archive/shop/proof")
    assert put.rc == 0, put.stdout + put.stderr
    stored = host.check_output(f"cat {REPOSITORY}/archive/shop/proof | base64")
    host.run_test(f"rm -r {REPOSITORY}/archive")
    assert stored.startswith("U2FsdGVkX1")  # Salted__
    assert host.run("find /var/lib/pgbackrest -type f").stdout == ""


def test_the_declared_settings_are_known_to_pgbackrest(host):
    said = host.run("cd / && sudo -u postgres pgbackrest --stanza=shop info")
    assert (said.rc, "WARN" in said.stdout) == (0, False), said.stdout
    assert "[global:backup]\nprocess-max=1\n" in host.file(CONFIG).content_string
    lines = set(host.file(CONFIG).content_string.splitlines())
    assert {
        "repo1-retention-full=7",
        "repo1-retention-diff=2",
        "compress-level=1",
        "process-max=3",
        "pg1-host-port=8434",
        "pg1-path=/srv/postgresql/data",
        "pg1-socket-path=/run/shop",
    } <= lines
