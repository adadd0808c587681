"""Repository and playbooks are asked in a wrong way: each is a clear error, and nothing has changed."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.drills import certificates
from tests.drills.conftest import Measure
from tests.drills.scratch import BINARIES, FOLDER, MAKE, REMOVE
from tests.drills.tools import SERVER, Site
from tests.proofs.tools import SITE, play, psql

RESTORE = "ansible/playbooks/restore_cluster.yml"
REMAKE = "ansible/playbooks/remake_member.yml"
PASSPHRASE = "PGBACKREST_REPO1_CIPHER_PASS"
# Ends by itself where the drill is killed; the passphrase, if one is set, is handed on in no argument.
SYSTEMD_RUN = (
    f"systemd-run --quiet --collect --unit={SERVER} --uid=postgres --property=RuntimeMaxSec=120"
    f" ${{{PASSPHRASE}:+--setenv={PASSPHRASE}}}"
)
STARTED = "select pg_postmaster_start_time()"

Failing = Callable[[str, str, str], str]
# Segments come and go by themselves; what says whose they are does not.
LOOK = (
    "cd /var/lib/pgbackrest; find backup archive/*/archive.info* /etc/pgbackrest -type f -printf '%p %s %T@\\n' | sort"
)


@pytest.fixture(autouse=True)
def unchanged(site: Site) -> Iterator[None]:
    """The repository's sets and its own files are as they were."""
    before = site.on(site.repository, LOOK)
    yield
    assert site.on(site.repository, LOOK) == before


@pytest.fixture
def failing(site: Site, measure: Measure) -> Failing:
    """Run a script on a host that must fail, and measure how soon it was refused; what it said."""

    def run(host: str, what: str, text: str) -> str:
        started = time.monotonic()
        said = site.on(host, f'if said=$({text} 2>&1); then echo "it succeeded: $said" >&2; exit 1; fi; echo "$said"')
        measure(f"refused: {what}", time.monotonic() - started, "s")
        print(f"\n{said}")
        return said

    return run


@contextmanager
def served(site: Site, prepare: str, words: str = "") -> Iterator[None]:
    """Have another server in the place of the repository's: the firewall lets nobody in elsewhere."""
    serve = f"{SYSTEMD_RUN} pgbackrest server --tls-server-address='*' {words}"
    with site.unreachable("refused"):
        try:
            site.on(site.repository, f"{prepare}\n{serve}")
            yield
        finally:
            site.on(site.repository, f"systemctl stop {SERVER} || true; {REMOVE}")


def test_another_passphrase_opens_nothing_and_is_refused_by_its_play_before_it_lands(
    site: Site, failing: Failing, measure: Measure
) -> None:
    wrong = "wrong-and-long-enough-here"
    given = f"export {PASSPHRASE}={wrong}"
    # Of what it makes of a file pgBackRest quotes bytes.
    asked = f"{given}; {site.pgbackrest('--type=full backup')} 2>&1 | tr -cd '[:print:]\\n'"
    assert "unable to load info file" in failing(site.repository, "backup with another passphrase", asked)
    with served(site, given):
        run = play(RESTORE, "--check", "-e", json.dumps({"restore_target": "latest"}))
    measure("refused: look of a restore with another passphrase", run.seconds, "s")
    assert (run.code == 0, run.changed) == (False, []), run.output[-3000:]
    assert "the passphrase does not fit: put the secret repository_cipher_passphrase back" in run.text
    run = play(SITE, "--tags", "backup_repository", "-e", f"backup_repository_cipher_passphrase={wrong}")
    measure("refused: play with another passphrase", run.seconds, "s")
    assert run.code != 0
    assert "does not open with this configuration, which was not installed" in run.text
    assert "put the one back that the repository was made with" in run.text


def lay_expired(site: Site, host: str) -> str:
    """The script that lays a certificate of a host that has expired, and its key, into the scratch folder."""
    declared = site.lab.declared(host)
    certificate, key = certificates.expired(
        host,
        str(declared["tls_certificate_authority_certificate"]),
        str(declared["tls_certificate_authority_private_key"]),
    )
    write = f"install -o postgres -m 600 /dev/stdin {FOLDER}"
    return f"{MAKE}\n{write}/crt <<'END'\n{certificate}END\n{write}/key <<'END'\n{key}END\n"


def test_a_certificate_that_has_expired_opens_nothing(site: Site, failing: Failing) -> None:
    host = site.replicas[0]
    asked = site.pgbackrest(f"--repo1-host-cert-file={FOLDER}/crt --repo1-host-key-file={FOLDER}/key repo-ls backup")
    try:
        site.on(host, lay_expired(site, host))
        said = failing(host, "look with an expired certificate", asked)
    finally:
        site.on(host, REMOVE)
    assert "certificate expired" in said


def test_a_server_whose_certificate_has_expired_is_not_asked(site: Site, failing: Failing) -> None:
    words = f"--tls-server-cert-file={FOLDER}/crt --tls-server-key-file={FOLDER}/key"
    with served(site, lay_expired(site, site.repository), words):
        asked = site.pgbackrest("repo-ls backup")
        said = failing(site.replicas[0], "look at a server with an expired certificate", asked)
    assert "certificate has expired" in said


def test_a_wrong_stanza_is_named(site: Site, failing: Failing) -> None:
    words = "runuser -u postgres -- env -C / pgbackrest --stanza=other {}"
    said = failing(site.replicas[0], "look into another stanza", words.format("repo-ls backup/other"))
    assert "access denied" in said
    said = failing(site.repository, "backup of another stanza", words.format("--type=full backup"))
    assert "does this stanza exist?" in said


def test_the_repository_of_another_cluster_takes_and_gives_nothing(site: Site, failing: Failing) -> None:
    host = site.replicas[0]
    own = f"runuser -u postgres -- env -C / {BINARIES}/initdb -D {FOLDER}/data -A peer > /dev/null"
    options = f"--pg1-path={FOLDER}/data --lock-path={FOLDER}/lock --no-archive-async"
    segment = f"$(ls {FOLDER}/data/pg_wal/0000*)"
    try:
        site.on(host, f"{MAKE}\n{own}")
        said = failing(host, "segment of another cluster", site.pgbackrest(f"{options} archive-push {segment}"))
        assert "system-id" in said
        assert "do not match" in said
        fetch = f"{options} archive-get 000000010000000000000005 {FOLDER}/segment"
        said = failing(host, "segment for another cluster", site.pgbackrest(fetch))
        assert "system-id" in said
        site.on(host, f"[ ! -e {FOLDER}/segment ]")
    finally:
        site.on(host, REMOVE)


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("2100-01-01 00:00:00+00:00", "lies in the future, it is 20"),
        ("2020-01-01 00:00:00+00:00", "lies before the window; take a later time"),
    ],
    ids=["future", "past"],
)
def test_a_target_outside_of_the_window_is_refused_with_the_window(
    when: str, reason: str, site: Site, measure: Measure
) -> None:
    leader = site.leader
    before = site.on(leader, psql(STARTED))
    given = {"restore_target": "time", "restore_target_value": when, "restore_confirmed": site.cluster}
    run = play(RESTORE, "-e", json.dumps(given))
    measure("refused: restore to that time", run.seconds, "s")
    assert run.code != 0
    assert re.search(rf"{reason}.*The window is 20\S+ \S+ to 20.*Nothing was changed", run.text), run.output[-3000:]
    assert (run.changed, site.leader, site.on(leader, psql(STARTED))) == ([], leader, before)


def test_the_leader_is_not_made_anew(site: Site, measure: Measure) -> None:
    leader = site.leader
    before = site.on(leader, psql(STARTED))
    for words, reason in (
        (("--limit", leader), rf"{leader} leads: a member is made anew from another one.*Nothing was changed"),
        ((), r"one member at a time is made anew.*Nothing was changed"),
    ):
        run = play(REMAKE, *words)
        measure(f"refused: remake_member.yml {' '.join(words)}".rstrip(), run.seconds, "s")
        assert run.code != 0
        assert re.search(reason, run.text), run.output[-3000:]
        assert (run.changed, site.leader, site.on(leader, psql(STARTED))) == ([], leader, before)
    replica = site.replicas[0]
    before = site.on(replica, psql(STARTED))
    run = play(REMAKE, "--limit", replica, "--check")
    assert run.code == 0, run.output[-3000:]
    assert site.on(replica, psql(STARTED)) == before
