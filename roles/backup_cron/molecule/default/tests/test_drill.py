"""A restore is rehearsed for real: it leaves figures and nothing else, and what is damaged is named."""

import json
import time

import pytest

STATUS = "/var/lib/freelance-backup"
SCRATCH = "/var/lib/postgresql/drill"
REPOSITORY = "/var/lib/pgbackrest"


@pytest.fixture
def ask(host):
    return lambda query: host.check_output("cd / && sudo -u postgres psql -XAtqc %s", query)


@pytest.fixture
def drill(host, as_postgres):
    """Run the drill; what it did and its record. Nothing of it may be left, however it went."""

    def run():
        done = as_postgres("freelance-backup drill")
        assert host.check_output(f"ls -A {SCRATCH}") == ""
        assert host.run(f"pgrep -f '[/]{SCRATCH[1:]}/'").rc == 1
        return done, json.loads(host.file(f"{STATUS}/drill-record.json").content_string)

    return run


@pytest.fixture
def marker(host, as_postgres, ask):
    """Write a marker and wait until it is archived; the path of its segment in the archive."""

    def write():
        # One that cron writes at that moment holds the lock.
        while (done := as_postgres("freelance-backup marker")).rc == 75:
            time.sleep(0.2)
        assert done.rc == 0, done.stderr
        segment = ask("select wal_segment from platform.restore_marker order by id desc limit 1")
        found = f"find {REPOSITORY}/archive -name '{segment}-*.gz'"
        host.run_test(f"timeout 60 sh -c 'until {found} | grep -q .; do sleep 0.2; done'")
        return host.check_output(found)

    return write


@pytest.fixture(scope="module")
def backup(host):
    """Path of a new full backup."""
    host.run_test("cd / && sudo -u postgres freelance-backup full")
    return host.check_output(f"ls -d {REPOSITORY}/backup/main/*F | tail -1")


def test_a_restore_is_rehearsed_and_measured(host, backup, marker, drill, ask):
    marker()
    marker()
    before = ask("select timeline_id from pg_control_checkpoint()")
    done, record = drill()
    assert (done.rc, record["ok"], record["reason"]) == (0, True, ""), done.stderr
    assert record["backup_label"] == backup.rpartition("/")[2]
    assert record["checks"]["markers"] >= 1
    assert record["checks"]["compared_rows"] == {"shop": 1}
    assert record["checks"]["application"].endswith(": clerk|t")
    assert record["checks"]["amcheck"] == ["postgres", "shop"]
    assert min(record[name] for name in ("rto_seconds", "bytes", "bytes_per_second")) > 0
    assert record["rpo_seconds"] >= 0
    metrics = host.run("sudo -u nobody cat /var/lib/prometheus/node-exporter/freelance_backup_drill.prom").stdout
    assert f'freelance_backup_drill_rto_seconds{{job="drill"}} {record["rto_seconds"]}' in metrics
    assert 'freelance_backup_drill_days_max{job="drill"} 8' in metrics
    assert ask("select timeline_id from pg_control_checkpoint()") == before
    assert host.run(f"find {REPOSITORY}/archive -name '*.history*' | grep .").rc != 0, (
        "the private timeline is archived"
    )


def test_an_index_that_misses_rows_of_its_table_is_named(backup, marker, drill, as_postgres):  # noqa: ARG001 - is there
    """An index on what a function makes of the rows, which makes something else of them since."""
    function = "create or replace function marked(int) returns int immutable language sql as $$ select {} $$"
    statements = [function.format("$1"), "create index misled on goods (marked(answer))", function.format("$1 + 1")]
    made = as_postgres("psql -q -v ON_ERROR_STOP=1 shop " + " ".join(f"-c '{text}'" for text in statements))
    assert made.rc == 0, made.stderr
    try:
        marker()
        done, record = drill()
    finally:
        as_postgres("psql -q shop -c 'drop function marked cascade'")
    assert (done.rc == 0, record["ok"], "amcheck" in record["checks"]) == (False, False, False)
    assert "/pg_amcheck ended with exit status 2" in record["reason"], record["reason"]
    assert 'lacks matching index tuple within index "misled"' in record["reason"]


def test_a_file_of_the_backup_that_is_damaged_is_named(host, backup, marker, drill, damage):
    marker()
    file = host.check_output(f"find {backup}/pg_data/base -name '*.gz' -size +8k | sort | head -1")
    damage(file)
    done, record = drill()
    assert (done.rc == 0, record["ok"]) == (False, False)
    name = file.removeprefix(f"{REPOSITORY}/backup/main/")
    assert name in record["reason"]
    assert name in host.run("journalctl -t freelance-backup -n 40").stdout


@pytest.mark.parametrize("lost", [False, True], ids=["damaged", "lost"])
def test_a_segment_that_can_not_be_replayed_is_named(backup, marker, drill, damage, lost):  # noqa: ARG001 - is there
    marker()
    segment = marker()
    marker()
    damage(segment, lost=lost)
    done, record = drill()
    assert (done.rc == 0, record["ok"]) == (False, False)
    file = segment.rpartition("/")[2]
    named = f"and not the next one, {file[:24]}." if lost else file
    assert named in record["reason"], record["reason"]


def test_after_a_drill_that_was_killed_the_next_one_succeeds(host, marker, drill):
    marker()
    server = f"{SCRATCH}/data/postmaster.pid"
    host.run_test("cd / && (setsid sudo -u postgres freelance-backup drill >/dev/null 2>&1 &)")
    host.run_test(f"timeout 60 sh -c 'until [ -e {server} ]; do sleep 0.05; done'")
    host.run_test("pkill --signal KILL --full 'sbin/freelance-backup dril[l]'")
    done, record = drill()
    assert (done.rc, record["ok"]) == (0, True), done.stderr
