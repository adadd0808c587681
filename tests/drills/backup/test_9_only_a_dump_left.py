"""No physical backup is left to restore from: a new cluster is begun on new hosts, and a shipped dump fills it."""

import re
import time

from tests.drills import apart
from tests.drills.apart import DATABASES, Apart
from tests.drills.conftest import Measure
from tests.proofs.tools import SITE, psql

FROM_DUMP = "ansible/playbooks/restore_from_dump.yml"
KEEP = "create table kept as select 42 as answer"
DUMPS = "cd /var/backups/postgresql; ls full_backup_*.dump"
# What site.yml prints for whoever wants to begin anew.
COMMAND = re.compile(r"on (\S+): (sudo -u postgres sh -c '[^']+')")


def test_a_shipped_dump_fills_a_new_cluster_whose_old_backups_were_given_up(two: Apart, measure: Measure) -> None:
    leader = two.leader
    two.on(leader, psql(KEEP))
    two.job(leader, "dump")
    dump = two.on(leader, DUMPS).split()[-1]
    two.lose()

    refused = two.attempt(SITE)
    assert (refused.code != 0, "an empty cluster was not begun" in refused.text) == (True, True), refused.output[-4000:]
    [(host, command), *_] = COMMAND.findall(refused.text)
    print(f"\n{host}: {command}")
    two.on(host, f"cd /; {command}")
    # The bucket's server goes on to list the folders of what was deleted, which S3 does not.
    for folder in ("main/backup/", "main/archive/"):
        apart.purge(folder)
    found = two.info()
    assert (found["db"], found["backup"]) == ([], [])

    made = two.play(SITE)
    measure("an empty cluster beside the dumps", refused.seconds + made.seconds, "s")
    started = time.time()
    run = two.play(FROM_DUMP, restore_from_dump_file=dump, restore_confirmed="lab-main")
    measure("filled from the dump, a new backup included", run.seconds, "s")
    for name in DATABASES:
        assert two.on(name, psql("select answer from kept")) == "42", name
    young = [backup for backup in two.info()["backup"] if backup["timestamp"]["start"] >= int(started)]
    assert {(backup["database"]["repo-key"], backup["type"]) for backup in young} == {(1, "full"), (2, "full")}
