"""A restore is rehearsed beside the running cluster: it ends where it should, is measured, leaves nothing behind."""

import json

from tests.host.environment import Environment
from tests.proofs.tools import Members, play, script

REHEARSE = "ansible/playbooks/rehearse_restore.yml"
FOLDER = "/var/lib/postgresql/drill"
STATUS = "/var/lib/freelance-backup"
METRICS = "/var/lib/prometheus/node-exporter/freelance_backup_drill.prom"
MIGRATIONS = (
    "runuser -u postgres -- env -C / psql -XAtqd freelance_platform -c 'select count(*) from django_migrations'"
)


def test_a_restore_is_rehearsed_on_a_replica_and_leaves_nothing_behind(lab: Environment, members: Members) -> None:
    before = members()
    began = {host: int(script(lab, host, "date +%s")) for host in before}
    run = play("-i", f"inventories/{lab.name}", REHEARSE)
    assert run.code == 0, run.output[-3000:]

    # The host that acts leaves a record of this very run; the one that leads is spared.
    age = f"stat --format=%Y {STATUS}/drill-record.json 2>/dev/null || echo 0"
    acting = [host for host in before if int(script(lab, host, age)) >= began[host]]
    assert len(acting) == 1, run.output[-3000:]
    assert before[acting[0]]["Role"] != "Leader"
    record = json.loads(script(lab, acting[0], f"cat {STATUS}/drill-record.json"))
    assert (record["ok"], record["reason"]) == (True, "")
    info = f"runuser -u postgres -- pgbackrest --stanza={lab.declared(acting[0])['backup_cron_stanza']} info"
    assert record["backup_label"] in script(lab, acting[0], info)
    for name in ("rto_seconds", "bytes", "bytes_per_second"):
        assert record[name] > 0, record
    # What operators read is what was measured.
    assert record["backup_label"] in run.text
    assert str(record["rto_seconds"]) in run.text
    assert f'drill_rto_seconds{{job="drill"}} {record["rto_seconds"]}' in script(lab, acting[0], f"cat {METRICS}")

    checks = record["checks"]
    assert checks["markers"] >= 1, "no marker has told whether the restore ended where it should"
    assert checks["amcheck"] == ["postgres", "freelance_platform"]
    migrations = script(lab, acting[0], MIGRATIONS)
    assert checks["compared_rows"] == {"freelance_platform": int(migrations)}
    assert "manage.py check --database=default: System check identified no issues" in checks["application"]
    archived = checks["replayed_segment"]
    assert archived >= record["archive_end"][8:], "replayed to the end of the archive"

    for host in before:
        assert script(lab, host, f"ls -A {FOLDER}") == ""
        assert script(lab, host, f"pgrep -f '[/]{FOLDER[1:]}/' || true") == ""
    after = members()
    assert {name: one["Role"] for name, one in after.items()} == {name: one["Role"] for name, one in before.items()}
    assert {one["TL"] for one in after.values()} == {one["TL"] for one in before.values()}
    print(
        f"\n{acting[0]}: RTO {record['rto_seconds']} s, RPO {record['rpo_seconds']} s,"
        f" {record['bytes_per_second'] / 2**20:.0f} MiB/s of {record['bytes'] / 2**20:.0f} MiB"
    )
