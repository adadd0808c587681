"""The audit of the database guide: each query runs, each figure is right, and what is not measured is said to be so."""

import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import factories_people as people
import monitored_host
import psycopg
import pytest
from config import measuring, monitoring, monitoring_sql
from config.measuring import NotMeasuredError
from config.monitoring import DatabaseMonitor, HealthChecker, run_performance_audit
from config.router import all_on
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connections, transaction
from django.test import override_settings

pytestmark = pytest.mark.usefixtures("migrated")

TEXTS = {name: text for name, text in vars(monitoring_sql).items() if name.isupper() and not name.startswith("_")}
PARAMETERS = {"limit": 5, "slower_than_ms": 0, "fewer_than": 100}


@pytest.fixture(autouse=True)
def direct_is_closed() -> Iterator[None]:
    yield
    connections["direct"].close()


@pytest.fixture
def fresh(server: Any) -> None:
    """Nothing was asked yet, not even what a new connection asks."""
    connections["default"].ensure_connection()
    server.sql("freelance_platform", "SELECT extensions.pg_stat_statements_reset();")


def run(alias: str, *statements: str) -> None:
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def counted(alias: str, *statements: str) -> None:
    """Run statements whose effect stands in the statistics at once."""
    run(alias, *statements, "SELECT pg_stat_force_next_flush()")


def audit(*words: str) -> str:
    output = io.StringIO()
    call_command("performance_audit", *words, stdout=output)
    return output.getvalue()


def kpi(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(dict(found) for found in report["kpis"] if found["name"] == name)


# ---- the queries
# Who follows is not for the application's role.
@pytest.mark.parametrize(
    ("name", "alias"),
    [(name, alias) for name in TEXTS for alias in ("default", "direct") if name != "REPLICATION"]
    + [("REPLICATION", "direct")],
)
def test_every_query_runs_on_the_server_and_says_plain_values(name: str, alias: str) -> None:
    text = TEXTS[name].replace("{statements}", "extensions.pg_stat_statements")
    for row in measuring.rows(alias, text, **PARAMETERS):
        assert {type(value) for value in row.values()} <= {str, int, float, bool, type(None)}


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("SELECT query, mean_time, calls FROM pg_stat_statements WHERE mean_time > 100", "mean_time"),
        ("SELECT schemaname, tablename, idx_scan FROM pg_stat_user_indexes WHERE idx_scan < 100", "tablename"),
        ("SELECT pg_total_relation_size(schemaname||'.'||tablename) FROM pg_stat_user_tables", "tablename"),
    ],
)
@pytest.mark.usefixtures("database")
def test_the_guides_own_wording_is_refused_by_this_server(text: str, unknown: str) -> None:
    run("default", "SET LOCAL search_path = public, extensions")
    with pytest.raises(ProgrammingError, match=f'column "{unknown}" does not exist'):
        run("default", text)


@pytest.mark.usefixtures("fresh")
class TestStatements:
    def test_a_slow_query_is_found_with_its_time_and_role(self) -> None:
        assert DatabaseMonitor.get_slow_queries() == []
        run("default", "SELECT pg_sleep(0.15)", "SELECT 1")
        (slow,) = DatabaseMonitor.get_slow_queries()
        assert (slow["query"], slow["role"], slow["calls"]) == ("SELECT pg_sleep($1)", "freelance_user", 1)
        assert slow["mean_ms"] >= 150
        report = run_performance_audit()
        assert report["slow_queries"] == [slow]
        assert kpi(report, "simple_query_ms")["status"] == "missed"

    def test_a_strict_audit_ends_with_status_1_when_a_kpi_is_missed(self) -> None:
        run("default", "SELECT pg_sleep(0.15)")
        audit()
        measured_elsewhere = [f"--allow-not-measured={name}_percent" for name in ("disk_busy", "pool_use")]
        with pytest.raises(CommandError, match=r"^Missed: Slowest simple query, on average") as caught:
            audit("--strict", *measured_elsewhere)
        assert caught.value.returncode == 1

    def test_simple_and_complex_queries_are_told_apart(self) -> None:
        kinds = {
            "SELECT username FROM accounts_user WHERE nickname = $1": "simple",
            "SELECT gigs_count FROM (SELECT id AS gigs_count FROM gigs_gig) AS gigs": "complex",
            "SELECT count(*) FROM gigs_gig": "complex",
            "SELECT status FROM gigs_gig GROUP BY status": "complex",
            "SELECT g.id FROM gigs_gig AS g JOIN accounts_user AS u ON u.id = g.freelancer_id": "complex",
            "WITH a AS (TABLE gigs_category) SELECT * FROM a": "complex",
            "DELETE FROM gigs_gigfavorite WHERE user_id IS NULL": "simple",
        }
        run("default", *(text.replace("$1", "'x'") for text in kinds), "SHOW work_mem", "SELECT oid FROM pg_class")
        found = {row["query"]: row["kind"] for row in DatabaseMonitor.get_slow_queries(slower_than_ms=0)}
        assert found == kinds
        times = {row["kind"]: row["statements"] for row in DatabaseMonitor.get_response_times()}
        assert times == {"simple": 2, "complex": 5}

    def test_no_secret_of_a_command_is_shown(self, server: Any) -> None:
        change = "ALTER ROLE freelance_staff PASSWORD 'test-freelance_staff'"
        server.sql("freelance_platform", change)
        kept = "SELECT count(*) FROM extensions.pg_stat_statements WHERE query LIKE 'ALTER ROLE%PASSWORD%test-%'"
        assert server.sql("freelance_platform", kept) == "1"
        shown = [row["query"] for row in DatabaseMonitor.get_slow_queries("direct", slower_than_ms=0, limit=1000)]
        assert not [query for query in shown if "PASSWORD" in query]

    def test_the_application_is_told_what_it_may_not_see_and_direct_sees_it(self) -> None:
        run("direct", "SELECT pg_sleep(0.15)")
        report = run_performance_audit()
        assert report["slow_queries"] == []
        assert "statements of other roles" in " ".join(report["not_visible"])
        seen = run_performance_audit("direct")
        assert [(row["query"], row["role"]) for row in seen["slow_queries"]] == [
            ("SELECT pg_sleep($1)", "freelance_owner")
        ]
        assert seen["not_visible"] == []


# ---- what stands in the database
class TestFindings:
    def test_an_index_that_no_query_uses_is_found_and_one_that_keeps_a_rule_is_not(self, deployed: str) -> None:
        run(
            deployed,
            "CREATE TABLE audited (n integer PRIMARY KEY, m integer, gig_id uuid REFERENCES gigs_gig)",
            "CREATE INDEX audited_m ON audited (m)",
            "CREATE INDEX audited_gig ON audited (gig_id)",
        )
        mine = [row for row in DatabaseMonitor.get_unused_indexes(deployed) if row["table"] == "audited"]
        assert {row["index"]: row["serves_foreign_key"] for row in mine} == {"audited_m": False, "audited_gig": True}
        counted(deployed, "SET enable_seqscan = off", "SELECT n FROM audited WHERE m = 1")
        unused = [row["index"] for row in DatabaseMonitor.get_unused_indexes(deployed)]
        assert "audited_gig" in unused
        assert "audited_m" not in unused
        rare = {row["index"]: row["scans"] for row in DatabaseMonitor.get_rarely_used_indexes(deployed)}
        assert (rare["audited_m"], rare["audited_gig"]) == (1, 0)
        used = DatabaseMonitor.get_index_usage(deployed, limit=1000)
        assert next(row["scans"] for row in used if row["index"] == "audited_m") == 1

    def test_a_partitioned_table_counts_as_one(self, deployed: str) -> None:
        with all_on(deployed):
            people.search()
        counted(deployed, "SELECT 1")
        sizes = {row["table"]: row for row in DatabaseMonitor.get_table_sizes(deployed, limit=1000)}
        assert sizes["gigs_gigsearchhistory"]["rows_estimate"] == 1
        assert sizes["gigs_gigsearchhistory"]["total_bytes"] > 0
        names = {row["table"] for row in DatabaseMonitor.get_index_usage(deployed, limit=1000)}
        assert "gigs_gigsearchhistory" in names
        assert not [name for name in {*sizes, *names} if name.endswith("_default")]

    def test_a_default_partition_that_holds_rows_is_found(self, deployed: str) -> None:
        assert DatabaseMonitor.get_filled_default_partitions(deployed) == []
        with all_on(deployed):
            people.search(created_at=datetime(2019, 2, 14, tzinfo=UTC))
        counted(deployed, "SELECT 1")
        report = run_performance_audit(deployed)
        (filled,) = report["filled_default_partitions"]
        assert (filled["table"], filled["partition"], filled["rows_estimate"]) == (
            "gigs_gigsearchhistory", "gigs_gigsearchhistory_default", 1,
        )  # fmt: skip
        strays = kpi(report, "default_partition_rows")
        assert (strays["value"], strays["status"]) == (1, "missed")
        with pytest.raises(CommandError, match="Rows in default partitions"):
            audit("--strict", f"--database={deployed}")
        call_command("maintain_partitions", database=deployed, stdout=io.StringIO())
        counted(deployed, "SELECT 1")
        assert kpi(run_performance_audit(deployed), "default_partition_rows")["status"] == "met"

    def test_a_half_built_index_is_found(self, deployed: str, server: Any) -> None:
        assert DatabaseMonitor.get_invalid_indexes(deployed) == []
        server.sql(
            "freelance_scratch",
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'gigs_top_rated'::regclass;",
        )
        assert run_performance_audit(deployed)["invalid_indexes"] == [{"index": "gigs_top_rated"}]

    def test_statistics_that_analyze_would_renew_are_found(self, deployed: str) -> None:
        run(deployed, "CREATE TABLE audited (n integer) WITH (autovacuum_enabled = false)")
        counted(deployed, "INSERT INTO audited SELECT generate_series(1, 1000)")
        stale = {row["table"]: row["changed_rows"] for row in DatabaseMonitor.get_stale_statistics(deployed)}
        assert stale["audited"] == 1000
        # The guide's own three among them.
        counted(deployed, *(f"ANALYZE {table}" for table in ("audited", "accounts_user", "gigs_gig", "orders_order")))
        assert "audited" not in {row["table"] for row in DatabaseMonitor.get_stale_statistics(deployed)}

    def test_without_the_extension_its_figures_are_not_measured(self, deployed: str, server: Any) -> None:
        server.sql("freelance_scratch", "DROP EXTENSION pg_stat_statements;")
        report = run_performance_audit(deployed)
        assert report["slow_queries"] is None
        assert "no extension pg_stat_statements" in report["not_measured"]["slow_queries"]
        for name in ("simple_query_ms", "complex_query_ms"):
            assert (kpi(report, name)["status"], kpi(report, name)["value"]) == ("not measured", None)
            assert "no extension pg_stat_statements" in kpi(report, name)["reason"]


def test_figures_of_the_database_are_those_of_the_server(server: Any) -> None:
    found = DatabaseMonitor.get_database()
    assert (found["database"], found["role"], found["is_replica"]) == ("freelance_platform", "freelance_user", False)
    assert found["max_connections"] == int(server.sql("postgres", "SHOW max_connections"))
    assert found["shared_buffers_bytes"] == 256 * 1024 * 1024
    assert found["bytes"] > 8_000_000
    assert 0 < found["cache_hit_percent"] <= 100
    assert 0 < found["connections"] < found["max_connections"]
    assert kpi(run_performance_audit(), "cache_hit_percent")["value"] > 0


def test_an_audit_inside_a_transaction_leaves_the_role_as_it_was(owner: Any) -> None:
    run_performance_audit("direct")
    with owner.cursor() as cursor:
        cursor.execute("SELECT current_user::text")
        assert cursor.fetchone() == ("freelance_owner",)


# ---- replicas
@pytest.fixture
def receiver(server: Any) -> Iterator[None]:
    """Somebody follows the server."""
    server.run("bash", "-s", script=monitored_host.RECEIVE)
    following = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
    for _ in range(100):
        if server.sql("postgres", following) == "1":
            break
        time.sleep(0.1)
    yield
    server.run("bash", "-s", script="systemctl stop test-receive; rm -r /run/test-receive")


def test_without_replicas_there_is_no_lag() -> None:
    assert DatabaseMonitor.get_replication("direct") == []


@pytest.mark.usefixtures("receiver")
def test_a_replica_is_listed_for_those_who_may_see_it() -> None:
    (replica,) = DatabaseMonitor.get_replication("direct")
    assert (replica["replica"], replica["state"]) == ("pg_receivewal", "streaming")
    with pytest.raises(NotMeasuredError, match="shown to members of pg_read_all_stats"):
        DatabaseMonitor.get_replication()


# ---- the pooler
@pytest.fixture
def pooler(server: Any) -> Iterator[dict[str, Any]]:
    """A PgBouncer with two connections for a role; its console, as the settings have it."""
    server.run("bash", "-s", script=monitored_host.POOLER)
    console = {
        "host": "pooled.test", "hostaddr": server.address, "port": "16432", "dbname": "pgbouncer", "user": "stats",
        "password": "test-stats", "sslmode": "verify-full",
        "sslrootcert": settings.DATABASES["default"]["OPTIONS"]["sslrootcert"], "connect_timeout": 10,
    }  # fmt: skip
    with override_settings(POOLERS=[console]):
        yield console
    server.run("systemctl", "stop", "test-pooler")


def test_the_use_of_a_pool_is_what_pgbouncer_says(pooler: dict[str, Any]) -> None:
    client = {**pooler, "dbname": "freelance_platform", "user": "freelance_user", "password": "test-freelance_user"}
    with psycopg.connect(**client) as first, psycopg.connect(**client) as second:
        first.execute("SELECT 1")
        (pool,) = (pool for pool in measuring.pools() if pool["role"] == "freelance_user")
        assert (pool["database"], pool["servers_active"], pool["pool_size"]) == ("freelance_platform", 1, 2)
        assert pool["use_percent"] == 50
        assert kpi(run_performance_audit(), "pool_use_percent")["status"] == "met"
        second.execute("SELECT 1")
        found = kpi(run_performance_audit(), "pool_use_percent")
        assert (found["value"], found["status"]) == (100, "missed")


def test_without_a_connection_to_the_pooler_its_use_is_not_measured() -> None:
    report = run_performance_audit()
    assert report["pools"] is None
    found = kpi(report, "pool_use_percent")
    assert (found["value"], found["status"]) == (None, "not measured")
    assert "DB_STATS_PASSWORD is not set" in found["reason"]


def test_a_pooler_that_refuses_is_named_and_its_password_is_not(pooler: dict[str, Any]) -> None:
    with override_settings(POOLERS=[{**pooler, "password": "hunter2"}]):
        report = run_performance_audit()
    assert report["pools"] is None
    assert f"PgBouncer on {pooler['hostaddr']}:16432 does not answer" in report["not_measured"]["pools"]
    assert "hunter2" not in json.dumps(report)


# ---- health
def test_all_endpoints_that_answer_are_healthy() -> None:
    health = HealthChecker.check_database_health()
    assert health["status"] == "healthy"
    # Beside them stand databases of other tests.
    assert health["endpoints"].keys() >= {"default", "replica", "direct"}
    assert health["endpoints"]["default"]["role"] == "freelance_user"
    assert not health["endpoints"]["default"]["read_only"]


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Alias of an endpoint where nobody listens."""
    monkeypatch.setitem(settings.DATABASES, "gone", {**settings.DATABASES["replica"], "PORT": "1"})
    yield "gone"
    del connections["gone"]


def test_an_endpoint_that_does_not_answer_is_named(gone: str) -> None:
    health = HealthChecker.check_database_health()
    assert health["status"] == "degraded"
    assert not health["endpoints"][gone]["reachable"]
    assert "refused" in health["endpoints"][gone]["error"]
    assert health["endpoints"]["replica"]["reachable"]


@pytest.mark.parametrize(
    ("lag", "status"), [(None, "degraded"), (0.0, "healthy"), (299.0, "healthy"), (300.0, "degraded")]
)
def test_a_replica_whose_lag_outlasts_what_readers_remember_is_degraded(
    monkeypatch: pytest.MonkeyPatch, lag: float | None, status: str
) -> None:
    def answer(using: str, text: str) -> list[dict[str, Any]]:
        (found,) = measuring.rows(using, text)
        return [{**found, "is_replica": True, "replay_lag_seconds": lag} if using == "replica" else found]

    monkeypatch.setattr(monitoring, "rows", answer)
    assert HealthChecker.check_database_health()["status"] == status


def test_a_replica_that_is_late_for_a_moment_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    lags = iter([400.0, None, 400.0, 400.0, 0.0])

    def answer(using: str, text: str) -> list[dict[str, Any]]:
        (found,) = measuring.rows(using, text)
        return [{**found, "is_replica": True, "replay_lag_seconds": next(lags)} if using == "replica" else found]

    monkeypatch.setattr(monitoring, "rows", answer)
    assert HealthChecker.check_database_health()["status"] == "healthy"


def test_a_leader_that_takes_no_writes_is_down() -> None:
    with transaction.atomic(using="default"):
        run("default", "SET TRANSACTION READ ONLY")
        assert HealthChecker.check_database_health()["status"] == "down"


# ---- the limits and the command
@pytest.mark.parametrize(
    ("limit", "value", "status"),
    [
        (monitoring.SIMPLE_QUERY, 99.9, "met"),
        (monitoring.SIMPLE_QUERY, 100, "missed"),
        (monitoring.COMPLEX_QUERY, 500, "missed"),
        (monitoring.CACHE_HITS, 95, "missed"),
        (monitoring.CACHE_HITS, 95.1, "met"),
        (monitoring.POOL_USE, 80, "missed"),
        (monitoring.DISK_BUSY, 69, "met"),
        (monitoring.DISK_BUSY, None, "not measured"),
        (monitoring.UNUSED_INDEXES, 7, "watched"),
    ],
)
def test_a_kpi_has_the_limit_of_the_guide(limit: monitoring.Kpi, value: float | None, status: str) -> None:
    assert limit.status(value) == status
    assert "database guide" in limit.source


def test_json_holds_every_part_of_the_audit() -> None:
    report = json.loads(audit("--json"))
    assert {*monitoring.SECTIONS, "kpis", "database", "health", "not_measured", "not_visible"} <= report.keys()
    assert len(report["kpis"]) == 7
    assert report["not_measured"].keys() >= {"disk_busy", "disk_space", "memory", "pools"}


def test_the_table_shows_each_kpi_with_its_limit_and_what_is_not_measured() -> None:
    text = audit()
    for words in ("Cache hit ratio", "> 95", "< 500", "Disk I/O utilisation", "not measured", "freelance_platform"):
        assert words in text
    assert "Pools: not measured. DB_STATS_PASSWORD is not set" in text
    assert "… and" in text


def test_an_audit_of_a_database_that_is_not_there_fails(gone: str) -> None:
    with pytest.raises(CommandError, match="The database refused: connection failed"):
        audit("--database", gone)
