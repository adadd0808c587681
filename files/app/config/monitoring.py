"""The performance audit of the database guide: its figures against its KPIs, and what stands behind them.

What cannot be measured is said to be so, with the reason: no figure is guessed.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from apps.common.freshness import COOKIE_SECONDS
from config import monitoring_sql as sql
from config.measuring import NotMeasuredError, Row, disk_busy, pools, rows
from config.router import LEADER, REPLICA

GUIDE_KPIS = "database guide, Performance Monitoring, 2. Key Performance Indicators"
# Source: database guide, Performance Monitoring, 3. Monitoring Queries (`mean_time > 100`).
SLOW_QUERY_MS = 100
# Source: database guide, Maintenance Procedures, 2. Performance Tuning (`idx_scan < 100`).
RARE_SCANS = 100
LONGEST_LIST = 50
# WAL that has just arrived is replayed a moment later; without a commit in it, the age of the last one says nothing.
LOOKS, LOOK_AGAIN_S = 5, 0.2


@dataclass(frozen=True, kw_only=True)
class Kpi:
    """A figure, of the guide unless it says otherwise, and its limit; one without a limit is only watched."""

    name: str
    title: str
    unit: str
    below: float | None = None
    above: float | None = None
    source: str = GUIDE_KPIS

    def status(self, value: float | None) -> str:
        """Return "met", "missed", "watched" or "not measured"."""
        if value is None:
            return "not measured"
        if self.below is None and self.above is None:
            return "watched"
        missed = (self.below is not None and value >= self.below) or (self.above is not None and value <= self.above)
        return "missed" if missed else "met"


SIMPLE_QUERY = Kpi(name="simple_query_ms", title="Slowest simple query, on average", unit="ms", below=SLOW_QUERY_MS)
COMPLEX_QUERY = Kpi(name="complex_query_ms", title="Slowest complex query, on average", unit="ms", below=500)
CACHE_HITS = Kpi(name="cache_hit_percent", title="Cache hit ratio", unit="%", above=95)
POOL_USE = Kpi(name="pool_use_percent", title="Fullest connection pool", unit="%", below=80)
DISK_BUSY = Kpi(name="disk_busy_percent", title="Disk I/O utilisation", unit="%", below=70)
UNUSED_INDEXES = Kpi(name="unused_indexes", title="Indexes that no query used", unit="")
# Ours: the daily upkeep empties them, so a row that lies there has found no month, and the month cannot be made.
STRAYS = Kpi(
    name="default_partition_rows", title="Rows in default partitions", unit="", below=1,
    source="apps/common/partitions.py",
)  # fmt: skip
KPIS = (SIMPLE_QUERY, COMPLEX_QUERY, CACHE_HITS, POOL_USE, DISK_BUSY, UNUSED_INDEXES, STRAYS)

# What the guide wants watched and PostgreSQL does not know: the host's exporter has it, under these names.
OF_THE_HOST = {
    "disk_space": "The host knows it, not PostgreSQL: node_filesystem_avail_bytes of its exporter.",
    "memory": "The host knows it, not PostgreSQL: node_memory_MemAvailable_bytes of its exporter.",
}


class DatabaseMonitor:
    """The guide's monitoring queries. `using` is a settings alias: its account sees what it may.

    Each raises NotMeasuredError where the answer is kept back, DatabaseError where the database cannot be reached.
    """

    @staticmethod
    def get_slow_queries(
        using: str = LEADER, *, slower_than_ms: float = SLOW_QUERY_MS, limit: int = LONGEST_LIST
    ) -> list[Row]:
        """Return statements whose mean time is above the limit, the slowest first."""
        return rows(using, _of_statements(sql.SLOW_QUERIES, using), slower_than_ms=slower_than_ms, limit=limit)

    @staticmethod
    def get_response_times(using: str = LEADER) -> list[Row]:
        """Return the mean and the slowest mean of simple and of complex statements."""
        return rows(using, _of_statements(sql.RESPONSE_TIMES, using))

    @staticmethod
    def get_hidden_statements(using: str = LEADER) -> int:
        """Return how many statements of other roles the account may not read."""
        return int(rows(using, _of_statements(sql.HIDDEN_STATEMENTS, using))[0]["hidden"])

    @staticmethod
    def get_index_usage(using: str = LEADER, *, limit: int = LONGEST_LIST) -> list[Row]:
        return rows(using, sql.INDEX_USAGE, limit=limit)

    @staticmethod
    def get_rarely_used_indexes(using: str = LEADER, *, fewer_than: int = RARE_SCANS) -> list[Row]:
        """Return indexes with fewer scans than this, the biggest first. Those that keep a rule are left out.

        A server counts its own scans: what only replicas read by is unused on the leader.
        """
        return rows(using, sql.RARELY_USED_INDEXES, fewer_than=fewer_than)

    @staticmethod
    def get_unused_indexes(using: str = LEADER) -> list[Row]:
        return DatabaseMonitor.get_rarely_used_indexes(using, fewer_than=1)

    @staticmethod
    def get_table_sizes(using: str = LEADER, *, limit: int = LONGEST_LIST) -> list[Row]:
        return rows(using, sql.TABLE_SIZES, limit=limit)

    @staticmethod
    def get_table_cache(using: str = LEADER, *, limit: int = LONGEST_LIST) -> list[Row]:
        """Return the cache hit ratio of tables, those first that read most from disk."""
        return rows(using, sql.TABLE_CACHE, limit=limit)

    @staticmethod
    def get_stale_statistics(using: str = LEADER) -> list[Row]:
        return rows(using, sql.STALE_STATISTICS)

    @staticmethod
    def get_database(using: str = LEADER) -> Row:
        """Return size, connections, cache hit ratio and counters of the database."""
        return rows(using, sql.DATABASE)[0]

    @staticmethod
    def get_checkpoints(using: str = LEADER) -> list[Row]:
        return rows(using, sql.CHECKPOINTS)

    @staticmethod
    def get_replication(using: str = LEADER) -> list[Row]:
        """Return the replicas with their lag. Raises NotMeasuredError where the account may not see it."""
        try:
            return rows(using, sql.REPLICATION)
        except NotMeasuredError as reason:
            message = f"Who follows is shown to members of pg_read_all_stats (--database direct): {reason}"
            raise NotMeasuredError(message) from reason

    @staticmethod
    def get_filled_default_partitions(using: str = LEADER) -> list[Row]:
        """Return the default partitions that hold rows, as the statistics have it."""
        return rows(using, sql.DEFAULT_PARTITIONS)

    @staticmethod
    def get_invalid_indexes(using: str = LEADER) -> list[Row]:
        return rows(using, sql.INVALID_INDEXES)


class HealthChecker:
    """Whether the database serves."""

    @staticmethod
    def check_database_health() -> dict[str, Any]:
        """Return `status` and each alias of the settings.

        "healthy": all answer, replicas in time, and the leader takes writes; "degraded": another alias than the
        leader's does not; "down": nothing can be written.
        """
        endpoints = {alias: HealthChecker._settled(alias) for alias in settings.DATABASES}
        leader = endpoints[LEADER]
        if not leader["reachable"] or leader["read_only"]:
            status = "down"
        else:
            in_time = all(HealthChecker._in_time(endpoint) for endpoint in endpoints.values())
            status = "healthy" if in_time else "degraded"
        return {"status": status, "endpoints": endpoints}

    @staticmethod
    def _in_time(endpoint: Row) -> bool:
        """Say whether an alias answers, not later than readers remember that they wrote."""
        if not endpoint["reachable"]:
            return False
        lag = endpoint["replay_lag_seconds"]
        # A replica that receives nothing and replayed nothing since its start may be any time behind.
        return not endpoint["is_replica"] or (lag is not None and lag < COOKIE_SECONDS)

    @staticmethod
    def _settled(alias: str) -> Row:
        """Return the answer of an alias; a replica is late only if it is so at each of several looks."""
        endpoint = HealthChecker._check(alias)
        for _ in range(LOOKS - 1):
            if not endpoint["reachable"] or HealthChecker._in_time(endpoint):
                break
            time.sleep(LOOK_AGAIN_S)
            endpoint = HealthChecker._check(alias)
        return endpoint

    @staticmethod
    def _check(alias: str) -> Row:
        started = time.perf_counter()
        try:
            answer = rows(alias, sql.HEALTH)[0]
        except (DatabaseError, NotMeasuredError) as error:
            return {"reachable": False, "error": str(error).strip()}
        return {"reachable": True, "response_ms": 1000 * (time.perf_counter() - started), **answer}


SECTIONS: dict[str, Callable[[str], list[Row]]] = {
    "response_times": DatabaseMonitor.get_response_times,
    "slow_queries": DatabaseMonitor.get_slow_queries,
    "pools": lambda _: pools(),
    "disk_busy": disk_busy,
    "table_sizes": DatabaseMonitor.get_table_sizes,
    "table_cache": DatabaseMonitor.get_table_cache,
    "index_usage": DatabaseMonitor.get_index_usage,
    "unused_indexes": DatabaseMonitor.get_unused_indexes,
    "rarely_used_indexes": DatabaseMonitor.get_rarely_used_indexes,
    "invalid_indexes": DatabaseMonitor.get_invalid_indexes,
    "filled_default_partitions": DatabaseMonitor.get_filled_default_partitions,
    "stale_statistics": DatabaseMonitor.get_stale_statistics,
    "replication": DatabaseMonitor.get_replication,
    "checkpoints": DatabaseMonitor.get_checkpoints,
}


def run_performance_audit(using: str = LEADER) -> dict[str, Any]:
    """Return the whole audit as values that JSON knows. Raises DatabaseError where `using` cannot be reached.

    kpis: value and status of each KPI; database: figures of the database; the names of SECTIONS: lists of rows, None
    where not measured; not_measured: the reasons; not_visible: what another account would see; health.
    """
    not_measured = dict(OF_THE_HOST)
    sections: dict[str, list[Row] | None] = {}
    for name, measure in SECTIONS.items():
        try:
            sections[name] = measure(using)
        except NotMeasuredError as reason:
            sections[name], not_measured[name] = None, str(reason)
    database = DatabaseMonitor.get_database(using)
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "alias": using,
        "kpis": _kpis(sections, database, not_measured),
        "database": database,
        **sections,
        "not_measured": not_measured,
        "not_visible": _not_visible(using, sections),
        "health": HealthChecker.check_database_health(),
    }


def _kpis(sections: dict[str, list[Row] | None], database: Row, not_measured: dict[str, str]) -> list[Row]:
    slowest = {row["kind"]: row["slowest_mean_ms"] for row in sections["response_times"] or ()}
    unused, filled = sections["unused_indexes"], sections["filled_default_partitions"]
    # Value, and what it was made of.
    values: list[tuple[Kpi, float | None, str]] = [
        (SIMPLE_QUERY, slowest.get("simple"), "response_times"),
        (COMPLEX_QUERY, slowest.get("complex"), "response_times"),
        (CACHE_HITS, database["cache_hit_percent"], "database"),
        (POOL_USE, max((pool["use_percent"] for pool in sections["pools"] or ()), default=None), "pools"),
        (DISK_BUSY, max((disk["busy_percent"] for disk in sections["disk_busy"] or ()), default=None), "disk_busy"),
        (UNUSED_INDEXES, None if unused is None else len(unused), "unused_indexes"),
        (STRAYS, None if filled is None else sum(row["rows_estimate"] for row in filled), "filled_default_partitions"),
    ]
    return [
        {
            **asdict(kpi),
            "value": value,
            "status": kpi.status(value),
            "reason": not_measured.get(source, "Nothing was counted yet.") if value is None else "",
        }
        for kpi, value, source in values
    ]


def _not_visible(using: str, sections: dict[str, list[Row] | None]) -> list[str]:
    notes = []
    if using == LEADER and REPLICA in settings.DATABASES:
        notes.append("Index scans on replicas: each server counts its own (--database replica).")
    if sections["response_times"] is not None and (hidden := DatabaseMonitor.get_hidden_statements(using)):
        notes.append(f"{hidden} statements of other roles: members of pg_read_all_stats see them (--database direct).")
    return notes


def _of_statements(text: str, using: str) -> str:
    """Return the query with the view of the extension in it, wherever that was installed."""
    found = rows(using, sql.STATEMENTS_VIEW)
    if not found:
        raise NotMeasuredError("This database has no extension pg_stat_statements.")
    return text.format(statements=found[0]["view"])
