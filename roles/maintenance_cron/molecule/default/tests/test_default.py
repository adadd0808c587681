"""Each job is run for real on a database that needs it: what it did is asked of the database itself."""

import datetime
import gzip
import json

import pytest

STATUS = "/var/lib/freelance-maintenance"
METRICS = "/var/lib/prometheus/node-exporter"
CONFIG = "/etc/freelance-maintenance.json"
BUSY_FILE = "/var/lib/freelance-backup/dump.lock"
LAY_BUSY_FILE = f"install -d -o postgres {BUSY_FILE.rpartition('/')[0]} && sudo -u postgres touch {BUSY_FILE}"
POSTPONED = 75
DENSITY = "SELECT avg_leaf_density >= 80 FROM pgstatindex('goods_number')"


@pytest.fixture(scope="module", autouse=True)
def jobs_by_hand_alone(host):
    """Cron catches up by itself on what was never run."""
    host.run_test("systemctl stop cron")
    yield
    host.run_test("systemctl start cron")


@pytest.fixture
def as_postgres(host):
    def run(command):
        return host.run(f"cd / && sudo -u postgres {command}")

    return run


@pytest.fixture
def ask(as_postgres):
    def run(*statements):
        done = as_postgres("psql -XAtq shop " + " ".join(f'-c "{statement}"' for statement in statements))
        assert done.rc == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def job(host, as_postgres):
    def run(name, *options):
        done = as_postgres(f"freelance-maintenance {name} {' '.join(options)}")
        outcome = host.file(f"{STATUS}/{name}.json")
        return done, json.loads(outcome.content_string) if outcome.exists else {}

    return run


def other_config(host, **values):
    """Give the option for a configuration that differs from the role's."""
    config = json.loads(host.file(CONFIG).content_string) | values
    text = json.dumps(config)
    host.run_test("printf %s %s > /tmp/maintenance.json", "%s", text)
    return "--config=/tmp/maintenance.json"


def closed_window(host):
    hour = int(host.check_output("date +%k").strip())
    return other_config(host, window_start_hour=(hour + 2) % 24, window_end_hour=(hour + 3) % 24)


@pytest.fixture
def goods(ask):
    """A table with an index, nine of ten rows of which are gone: dead rows, an empty index, no statistics."""
    ask("DROP TABLE IF EXISTS goods", "CREATE TABLE goods AS SELECT generate_series(1, 200000) AS number")
    ask("CREATE INDEX goods_number ON goods (number)", "DELETE FROM goods WHERE number % 10 <> 0")
    ask("SELECT pg_stat_force_next_flush()")
    return "goods"


@pytest.mark.usefixtures("goods")
def test_stale_statistics_are_refreshed_once(ask, job):
    analyzed = "SELECT count(*) FROM pg_stat_user_tables WHERE relname = 'goods' AND last_analyze IS NOT NULL"
    done, _ = job("analyze", "--check")
    assert "would run in shop: ANALYZE public.goods" in done.stdout
    assert ask(analyzed) == "0"
    done, outcome = job("analyze")
    assert done.rc == outcome["exit_status"] == 0, done.stderr
    assert ask(analyzed) == "1"
    assert "public.goods" not in job("analyze", "--check")[0].stdout
    ask("UPDATE goods SET number = number", "SELECT pg_stat_force_next_flush()")
    assert "ANALYZE public.goods  -- 20000 of" in job("analyze", "--check")[0].stdout


@pytest.mark.usefixtures("goods")
def test_dead_rows_are_vacuumed(ask, job):
    done, outcome = job("vacuum")
    assert done.rc == outcome["exit_status"] == 0, done.stderr
    assert outcome["actions"] == 1
    assert ask("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'goods'") == "0"
    assert job("vacuum", "--check")[0].stdout.startswith("0 to do")


@pytest.mark.usefixtures("goods")
def test_old_rows_are_frozen_before_autovacuum_would(host, ask, as_postgres, job):
    limits = json.loads(host.file(CONFIG).content_string)["limits"]
    ask(*["SELECT pg_current_xact_id()"] * 50)
    # Locked by a transaction and changed by its part: each time a multixact.
    locked = ["BEGIN", "SELECT FROM goods WHERE number = 10 FOR SHARE", "SAVEPOINT part"]
    ask(*[*locked, "UPDATE goods SET number = number WHERE number = 10", "COMMIT"] * 6)
    done, _ = job("vacuum", other_config(host, limits=limits | {"vacuum_age_multixacts": 5}), "--check")
    assert "shop: VACUUM (FREEZE, TRUNCATE false) public.goods  -- age 6 multixacts, 5 allowed" in done.stdout
    only_transactions = other_config(host, limits=limits | {"vacuum_age_transactions": 40})
    done, _ = job("vacuum", only_transactions, "--check")
    assert "postgres: VACUUM (FREEZE, TRUNCATE false) pg_catalog.pg_class" in done.stdout
    # All of them one by one would take a minute.
    assert as_postgres("vacuumdb --all --quiet --freeze --exclude-schema=public").rc == 0
    ages = "SELECT age(relfrozenxid) >= 40, mxid_age(relminmxid) >= 5 FROM pg_class WHERE relname = 'goods'"
    assert ask(ages) == "t|t"
    done, _ = job("vacuum", only_transactions)
    assert done.rc == 0, done.stderr
    assert "VACUUM (FREEZE, TRUNCATE false) public.goods" in done.stdout
    assert ask(ages) == "f|f"


@pytest.mark.usefixtures("goods")
def test_a_bloated_index_is_rebuilt_and_a_full_one_is_not(ask, job):
    ask("VACUUM goods", "CREATE INDEX goods_full ON goods ((number + 1))")
    assert ask(DENSITY) == "f"
    files = "SELECT relname, relfilenode FROM pg_class WHERE relname = 'goods_full'"
    before = ask(files)
    done, outcome = job("reindex")
    assert done.rc == outcome["exit_status"] == 0, done.stderr
    assert ask(DENSITY) == "t"
    assert ask(files) == before
    assert job("reindex", "--check")[0].stdout.startswith("0 to do")


# The rebuild waits for the transaction, and the deployment for the rebuild's locks.
MAKING_ROOM = """
psql -q shop -c BEGIN -c 'DELETE FROM goods WHERE number = 10' -c 'SELECT pg_sleep(60)' >/dev/null 2>&1 &
sleep 1
freelance-maintenance reindex &
job=$!
until psql -XAtqc 'SELECT 1 FROM pg_stat_progress_create_index' | grep -q 1; do sleep 0.2; done
psql -XAtq shop -c 'SELECT pg_advisory_lock_shared(7301960245)' -c 'SELECT pg_advisory_lock(7301960241)' -c "
  SELECT 'deployed beside ' || count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'
" -c 'SELECT pg_sleep(2)'
wait $job
echo "ended with $?"
"""


@pytest.mark.usefixtures("goods")
def test_a_rebuild_makes_room_for_a_deployment_and_what_it_left_is_removed(host, ask, job):
    ask("VACUUM goods")
    done = host.run("cd / && sudo -u postgres sh -c %s", MAKING_ROOM)
    for told in ("goods_number was ended: a migration is running", "deployed beside 1", f"ended with {POSTPONED}"):
        assert told in done.stdout, done.stdout + done.stderr
    invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    assert ask(invalid) == "1"
    done, _ = job("reindex", "--check")
    assert "DROP INDEX CONCURRENTLY public.goods_number_ccnew" in done.stdout
    assert job("reindex")[0].rc == 0
    assert ask(invalid) == "0"


def test_an_index_whose_collation_changed_is_rebuilt_once(ask, job):
    # As after an upgrade of the operating system's library: the index is of another version than it gives now.
    ask("DROP TABLE IF EXISTS names", "DROP COLLATION IF EXISTS german")
    ask("CREATE COLLATION german (provider = icu, locale = 'de')")
    ask("CREATE TABLE names (name text COLLATE german PRIMARY KEY)")
    ask("UPDATE pg_collation SET collversion = '1' WHERE collname = 'german'")
    file = "SELECT pg_relation_filenode('names_pkey')"
    before = ask(file)
    done, _ = job("reindex", "--check")
    assert "names_pkey  -- version of collation public.german changed" in done.stdout
    assert ask(file) == before
    assert job("reindex")[0].rc == 0
    assert ask(file) != before
    assert (
        ask("SELECT collversion = pg_collation_actual_version(oid) FROM pg_collation WHERE collname = 'german'") == "t"
    )
    assert "names_pkey" not in job("reindex", "--check")[0].stdout


@pytest.mark.usefixtures("goods")
def test_what_was_missed_waits_for_the_window_and_is_done_in_it(host, ask, as_postgres):
    dead = "SELECT n_dead_tup > 0 FROM pg_stat_user_tables WHERE relname = 'goods'"
    host.run_test(f"sudo -u postgres touch --date='40 days ago' {STATUS}/vacuum.answered")
    assert as_postgres(f"freelance-maintenance catch-up {closed_window(host)}").rc == 0
    assert ask(dead) == "t"
    done = as_postgres("freelance-maintenance catch-up")
    assert done.rc == 0, done.stderr
    assert ask(dead) == "f"


@pytest.mark.usefixtures("goods")
def test_nothing_happens_outside_the_window_or_under_load(host, ask, job):
    done, _ = job("vacuum", closed_window(host))
    assert done.rc == POSTPONED
    assert "outside the window" in done.stdout + done.stderr
    done, _ = job("vacuum", other_config(host, load_per_core_max=-1.0))
    assert done.rc == POSTPONED
    assert "-1.0 allowed" in done.stdout + done.stderr
    assert int(ask("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'goods'")) > 0


@pytest.mark.usefixtures("goods")
def test_nothing_happens_while_a_backup_holds_its_lock(host, ask, as_postgres):
    host.run_test(LAY_BUSY_FILE)
    done = as_postgres(f"flock {BUSY_FILE} freelance-maintenance vacuum")
    assert done.rc == POSTPONED
    assert f"{BUSY_FILE} is held" in done.stdout + done.stderr
    # The same when pgBackRest works from another host, by the name of its session, and when a release is deployed.
    told = {
        "sudo -u postgres env 'PGAPPNAME=pgBackRest [backup]' psql -c 'SELECT 1'": "a backup or a dump is running",
        "sudo -u postgres psql -c 'SELECT pg_advisory_lock(7301960241)'": "a migration is running",
    }
    for session, what in told.items():
        done = host.run(f"cd / && {session} -c '\\! freelance-maintenance vacuum'")
        assert what in done.stdout + done.stderr
    assert int(ask("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'goods'")) > 0


def test_statements_are_kept_for_postgres_alone(host, ask, job):
    ask("SELECT 42 AS something_remarkable")
    host.run_test(f"sudo -u postgres touch {STATUS}/statements/statements_20200101_000000.json.gz")
    done, outcome = job("statements")
    assert done.rc == outcome["exit_status"] == 0, done.stderr
    names = sorted(host.check_output(f"ls {STATUS}/statements").split())
    assert not [name for name in names if name.startswith("statements_2020")]
    name = names[-1]
    held = json.loads(gzip.decompress(host.file(f"{STATUS}/statements/{name}").content))
    assert any("something_remarkable" in one["query"] for one in held["statements"])
    assert host.file(f"{STATUS}/statements").mode == 0o700
    assert (
        "freelance_maintenance_last_success_timestamp_seconds"
        in host.file(f"{METRICS}/freelance_maintenance_statements.prom").content_string
    )


def test_yesterdays_log_becomes_a_report_after_the_backup(host, as_postgres, job):
    today = datetime.date.fromisoformat(host.check_output("date +%F"))
    day = today - datetime.timedelta(days=1)
    log = f"/var/log/postgresql/postgresql-{day:%a}.log"
    line = (
        f"{day} 10:00:00.123 UTC [77] clerk@shop [local] LOG:  duration: 1234.5 ms  statement: SELECT 'private' AS told"
    )
    host.run_test("printf '%%s\\n' %s > %s && chown postgres %s", line, log, log)
    host.run_test(LAY_BUSY_FILE)
    assert as_postgres(f"flock {BUSY_FILE} freelance-maintenance report").rc == POSTPONED
    assert f"would read {log}\n" in job("report", "--check")[0].stdout
    done, outcome = job("report")
    assert done.rc == outcome["exit_status"] == 0, done.stderr
    report = host.file(f"{STATUS}/reports/postgresql_{day:%Y%m%d}.html")
    assert outcome["bytes"] == report.size > 0
    assert "clerk" in report.content_string
    assert "private" not in report.content_string


@pytest.mark.usefixtures("goods")
def test_each_day_adds_one_sample_to_the_trend_whatever_the_hour(host, ask, job):
    ask("SET ROLE pg_monitor", "SELECT 42 AS asked_by_a_client")
    file = host.file(f"{STATUS}/capacity.jsonl")
    before = file.content_string if file.exists else ""
    assert f"would add a sample to {STATUS}/capacity.jsonl" in job("capacity", "--check")[0].stdout
    assert (file.content_string if file.exists else "") == before
    done, outcome = job("capacity", closed_window(host))
    assert done.rc == outcome["exit_status"] == 0, done.stderr
    first = json.loads(file.content_string.splitlines()[-1])
    _, outcome = job("capacity")
    kept = file.content_string.splitlines()
    assert outcome["samples"] == len(kept) == 1
    sample = json.loads(kept[-1])
    assert sample["at"] > first["at"]
    assert sample["gauges"]["connections"][0] >= first["gauges"]["connections"][0]
    assert sample["host"] == "maintenance-cron-default-1"
    assert {"memory", "disk /", "disk /var", "connections"} <= set(sample["gauges"])
    assert sample["databases"]["shop"] > sample["tables"]["goods"] > 0
    # Neither a command nor what the superuser asked.
    assert len(sample["counters"]) == 1
    assert file.user == "postgres"
