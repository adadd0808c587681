"""A backup is killed halfway, alone or with its host, or its leader dies: no half is offered, the next succeeds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.drills.conftest import Measure
from tests.drills.scratch import FOLDER, MAKE, REMOVE, restore
from tests.drills.tools import UNIT, Site
from tests.proofs.tools import healthy, wait_for, writing

BACK_SECONDS_MAX = 120
GONE_SECONDS = 3  # what the dead leader has acknowledged is older
# In the place of pgbackrest.conf's 300, which the backup whose leader dies would only wait out.
SILENCE_SECONDS = 90
SHORTER = f"-E PGBACKREST_PROTOCOL_TIMEOUT={SILENCE_SECONDS} -E PGBACKREST_DB_TIMEOUT={SILENCE_SECONDS - 30}"
JOB = f"{SHORTER} --uid=postgres --gid=postgres -p KillMode=mixed freelance-backup full --here"
ENDED_SECONDS_MAX = SILENCE_SECONDS + 120  # after the minute in which it notices, and a minute
# Starts a full backup as a job does and holds it where the first bytes of a new set lie in the repository.
HALFWAY = f"""
cd /var/lib/pgbackrest/backup/STANZA
stamp=$(mktemp)
systemctl reset-failed {UNIT} 2> /dev/null || true
systemd-run --quiet --collect --unit={UNIT} {JOB}
for _ in $(seq 3000); do
  for label in *F; do
    # The manifest is what ends a set.
    if [ ! -e "$label/backup.manifest" ] && [ -n "$(find "$label/bundle" -newer "$stamp" 2> /dev/null)" ]; then
      systemctl kill --signal=STOP {UNIT}
      rm "$stamp"
      echo "$label"
      exit
    fi
  done
  sleep 0.01
done
rm "$stamp"
echo 'the backup was never seen halfway' >&2
exit 1
"""
KILL = f"systemctl kill --signal=KILL {UNIT}"


@contextmanager
def halfway(site: Site) -> Iterator[str]:
    """Have a full backup stand still halfway; the label that its set would have."""
    try:
        yield site.on(site.repository, HALFWAY.replace("STANZA", site.stanza))
    finally:
        site.on(site.repository, f"if systemctl is-active --quiet {UNIT}; then {KILL}; fi")


def refused(site: Site, label: str) -> str:
    """Ask for a restore of a set that must not be offered; what pgBackRest says."""
    host = site.replicas[0]
    try:
        words = restore(site, label)
        return site.on(host, f'{MAKE}\nif said=$({words} 2>&1); then exit 1; fi; ls -A {FOLDER}/data; echo "$said"')
    finally:
        site.on(host, REMOVE)


def next_backup(site: Site, half: str, measure: Measure) -> None:
    """The next run succeeds: it goes on with what was left, under its name, or clears it away."""
    before, started = site.labels(), time.monotonic()
    site.job("full")
    measure("next full backup", time.monotonic() - started, "s")
    *others, newest = site.labels()
    assert others == before
    assert newest >= half
    left = site.on(site.repository, f"ls /var/lib/pgbackrest/backup/{site.stanza}").split()
    assert newest == half or half not in left


def test_a_killed_backup_is_not_offered_and_the_next_one_succeeds(site: Site, measure: Measure) -> None:
    before = site.labels()
    with halfway(site) as half:
        site.on(site.repository, KILL)
        assert site.labels() == before
        assert half in refused(site, half)
    next_backup(site, half, measure)


def test_a_backup_that_dies_with_its_host_is_made_anew(site: Site, measure: Measure) -> None:
    before = site.labels()
    with halfway(site) as half:
        site.podman("kill", site.repository)
        site.podman("start", site.repository)

        def back() -> bool:
            return site.answers(site.repository, "systemctl is-active pgbackrest.service")

        measure("repository host back", wait_for("the repository host", back, BACK_SECONDS_MAX), "s")
        assert site.labels() == before
    next_backup(site, half, measure)


def test_a_leader_that_dies_during_a_backup_ends_it_with_a_word_and_loses_nothing(
    site: Site, card: dict[str, Any], measure: Measure
) -> None:
    before, leader, count = site.labels(), site.leader, len(site.lab.hosts("database"))
    with writing(card) as writer:
        with halfway(site) as half:
            site.podman("kill", leader)
            killed = time.monotonic()
            try:
                wait_for("another leader", lambda: site.leader not in {"", leader}, BACK_SECONDS_MAX)
                measure("another leader", time.monotonic() - killed, "s")
                wait_for("writes go on", lambda: writer.last_write > killed + GONE_SECONDS, BACK_SECONDS_MAX)
                site.on(site.repository, f"systemctl kill --signal=CONT {UNIT}")
            finally:
                site.podman("start", leader)
            seconds = wait_for("the dead host streams", lambda: healthy(site.members(), count), BACK_SECONDS_MAX)
            measure("the dead host started, until it streams", seconds, "s")
            ended = f"! systemctl is-active --quiet {UNIT}"
            asked = f"if {ended}; then echo yes; fi"
            wait_for("the backup's end", lambda: site.on(site.repository, asked) == "yes", ENDED_SECONDS_MAX)
            measure(
                f"the backup's end after the leader's, at a silence of {SILENCE_SECONDS} s",
                time.monotonic() - killed,
                "s",
            )
        begun = f"{half[:4]}-{half[4:6]}-{half[6:8]} {half[9:11]}:{half[11:13]}:{half[13:15]} UTC"
        said = site.on(site.repository, f"journalctl -q -u {UNIT} -o cat --since '{begun}'")
        offered = half in site.labels()
        print(f"\n{said}\noffered: {offered}")
        assert ("full succeeded" in said) == offered, "a set is offered exactly where its job succeeded"
        if not offered:
            assert site.labels() == before
            assert "ERROR" in said
            next_backup(site, half, measure)
    measure("longest time without an acknowledged write", writer.longest_gap, "s")
    assert writer.lost() == set()
