"""All database hosts are lost with their volumes: `pulumi up`, one playbook, and the repository brings all back."""

import json
import re
import time
from typing import Any

from lab.paths import STATE
from tests.drills import markers
from tests.drills.conftest import Measure
from tests.drills.tools import CHECK, CONTENTS, LOSE, RPO_SECONDS_MAX, TABLES, Site
from tests.host import clients
from tests.proofs.tools import play, psql, scripts, wait_for

REBUILD = "ansible/playbooks/rebuild_cluster.yml"
# archive_timeout closes a segment after 60 s, the job `marker` each five minutes.
ARCHIVE_SECONDS_MAX = 75
# How old the newest archived one is when the hosts are lost: the next would come 5 s later.
UNARCHIVED_SECONDS = 55
SPARE_SECONDS = 60
URN = "urn:pulumi:lab::freelance-platform::freelance:lab:Volume::{}"


def give_up(environment: str, host: str) -> None:
    """Take a host's volumes away for good, and tell Pulumi of it."""
    for image in sorted((STATE / "volumes").glob(f"{environment}-{host}-*.img")):
        image.unlink()
        urn = URN.format(image.stem.removeprefix(f"{environment}-"))
        clients.shell(f"pulumi state delete --yes --force --target-dependents '{urn}' --stack lab")


def wait_until_the_archive_is_old(site: Site, leader: str) -> None:
    """Wait until rows are in the repository and what came last is about as old as it may get."""
    wait_for("a first row", lambda: site.on(leader, psql(markers.READ)) != "", ARCHIVE_SECONDS_MAX)
    first = site.query(leader, "archive_queue")["current_wal"]

    def archived() -> bool:
        return bool(site.query(leader, "archiver")["last_archived_wal"] >= first)

    def old() -> bool:
        return bool(site.query(leader, "archiver")["age_seconds"] > UNARCHIVED_SECONDS)

    wait_for("its segment in the repository", archived, ARCHIVE_SECONDS_MAX)
    # Where the job `marker` closes another one meanwhile, the age begins anew.
    wait_for("an old archive", old, 2 * ARCHIVE_SECONDS_MAX)


def test_a_cluster_without_hosts_and_volumes_is_rebuilt_from_the_repository(
    site: Site, card: dict[str, Any], measure: Measure
) -> None:
    leader, hosts = site.leader, site.lab.hosts("database")
    before = site.on(leader, psql(CONTENTS))
    assert len(re.findall(r"^\w+\|[1-9]", before, re.MULTILINE)) == len(TABLES), f"nothing to compare:\n{before}"
    rows = (3 * ARCHIVE_SECONDS_MAX + SPARE_SECONDS) * markers.ROWS_PER_SECOND
    site.on(leader, psql(markers.REMOVE, markers.MAKE))
    site.on(leader, f"nohup {psql(markers.WRITE.format(rows=rows))} > /dev/null 2>&1 < /dev/null &")
    wait_until_the_archive_is_old(site, leader)
    lost_at = max(float(text) for text in scripts(site.lab, dict.fromkeys(hosts, LOSE)).values())
    for host in hosts:
        give_up(site.lab.name, host)

    started = time.monotonic()
    clients.shell("pulumi up --yes --skip-preview --stack lab")
    measure("new hosts and volumes", time.monotonic() - started, "s")
    run = play(REBUILD, "-e", json.dumps({"restore_target": "latest", "restore_confirmed": site.cluster}))
    assert run.code == 0, run.output[-4000:]
    measure("rebuilt, replicas, release and a new backup included", run.seconds, "s")

    rpo = markers.lost_seconds(site.on(site.leader, psql(markers.READ)), lost_at)
    site.on(site.leader, psql(markers.REMOVE))
    measure("lost: from the last row that is there to the loss", rpo, "s")
    assert UNARCHIVED_SECONDS <= rpo <= RPO_SECONDS_MAX
    assert site.on(site.leader, psql(CONTENTS)) == before
    assert "no issues" in site.on(hosts[0], CHECK)
    with clients.connect(card, "pooled") as connection:
        [(rows,)] = connection.execute("select count(*) from accounts_skill").fetchall()
    assert f"accounts_skill|{rows}|" in before
