"""The repository is asked in a wrong way: each is a clear error, and nothing in it has changed."""

from collections.abc import Iterator

import pytest

from tests.drills import certificates
from tests.drills.scratch import BINARIES, FOLDER, MAKE, REMOVE
from tests.drills.tools import Site
from tests.proofs.tools import SITE, play

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


def failing(site: Site, host: str, text: str) -> str:
    """Run a script on a host that must fail; what it said."""
    return site.on(host, f'if said=$({text} 2>&1); then echo "it succeeded: $said" >&2; exit 1; fi; echo "$said"')


def test_another_passphrase_is_refused_by_its_play_before_it_lands() -> None:
    run = play(
        SITE, "--tags", "backup_repository", "-e", "backup_repository_cipher_passphrase=wrong-and-long-enough-here"
    )
    assert run.code != 0
    assert "does not open with this configuration, which was not installed" in run.text
    assert "put the one back that the repository was made with" in run.text


def test_a_certificate_that_has_expired_opens_nothing(site: Site) -> None:
    host = site.replicas[0]
    declared = site.lab.declared(host)
    certificate, key = certificates.expired(
        host,
        str(declared["tls_certificate_authority_certificate"]),
        str(declared["tls_certificate_authority_private_key"]),
    )
    asked = site.pgbackrest(f"--repo1-host-cert-file={FOLDER}/crt --repo1-host-key-file={FOLDER}/key repo-ls backup")
    try:
        write = f"install -o postgres -m 600 /dev/stdin {FOLDER}"
        site.on(host, f"{MAKE}\n{write}/crt <<'END'\n{certificate}END\n{write}/key <<'END'\n{key}END")
        said = failing(site, host, asked)
    finally:
        site.on(host, REMOVE)
    print(f"\n{said}")
    assert "certificate expired" in said


def test_a_wrong_stanza_is_named(site: Site) -> None:
    host = site.replicas[0]
    words = "runuser -u postgres -- env -C / pgbackrest --stanza=other {}"
    said = failing(site, host, words.format("repo-ls backup/other"))
    print(f"\n{said}")
    assert "access denied" in said
    said = failing(site, site.repository, words.format("--type=full backup"))
    print(said)
    assert "does this stanza exist?" in said


def test_the_repository_of_another_cluster_takes_and_gives_nothing(site: Site) -> None:
    host = site.replicas[0]
    own = f"runuser -u postgres -- env -C / {BINARIES}/initdb -D {FOLDER}/data -A peer > /dev/null"
    options = f"--pg1-path={FOLDER}/data --lock-path={FOLDER}/lock --no-archive-async"
    segment = f"$(ls {FOLDER}/data/pg_wal/0000*)"
    try:
        site.on(host, f"{MAKE}\n{own}")
        said = failing(site, host, site.pgbackrest(f"{options} archive-push {segment}"))
        print(f"\n{said}")
        assert "system-id" in said
        assert "do not match" in said
        fetch = f"{options} archive-get 000000010000000000000005 {FOLDER}/segment"
        said = failing(site, host, site.pgbackrest(fetch))
        print(said)
        assert "system-id" in said
        site.on(host, f"[ ! -e {FOLDER}/segment ]")
    finally:
        site.on(host, REMOVE)
