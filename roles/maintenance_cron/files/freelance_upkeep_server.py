"""What a database's upkeep asks of this host's server, and does there."""

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

from freelance_jobs import JobError, Postponed, run_tool
from freelance_upkeep import Index, Limits, Table

# Asks a database for a statement under settings of its own; returns what it printed.
Asked = Callable[[str, str, Mapping[str, str] | None], str]
LOOK_S = 5  # how often it is asked whether a statement that runs has to make room
TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relkind = 'p' AS is_parent,
  coalesce(s.n_live_tup, 0) AS rows, coalesce(s.n_dead_tup, 0) AS dead_rows,
  coalesce(s.n_mod_since_analyze, 0) AS changed_rows,
  extract(epoch FROM now() - greatest(s.last_analyze, s.last_autoanalyze)) / 86400 AS analyzed_days_ago,
  greatest(age(nullif(c.relfrozenxid, '0')), age(nullif(t.relfrozenxid, '0')), 0) AS age_transactions,
  greatest(mxid_age(nullif(c.relminmxid, '0')), mxid_age(nullif(t.relminmxid, '0')), 0) AS age_multixacts,
  n.nspname = 'pg_catalog' AS is_catalog
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid
WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND (c.relkind <> 'm' OR c.relispopulated)
ORDER BY 1
"""
DATABASES = "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname"
# A column of the database's own collation (default) follows the version of the database.
INDEXES = """
WITH changed AS (
  SELECT oid, format('%I.%I', collnamespace::regnamespace::text, collname) AS name FROM pg_collation
  WHERE collversion <> pg_collation_actual_version(oid)
  UNION ALL SELECT 'pg_catalog."default"'::regcollation::oid, 'default' FROM pg_database
  WHERE datname = current_database() AND datcollversion <> pg_database_collation_actual_version(oid))
SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relname AS relation, i.indisvalid AS valid,
  EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.relid = i.indrelid) AS building,
  NOT i.indisexclusion AS concurrent, a.amname = 'btree' AS measurable, pg_relation_size(c.oid) AS size_bytes,
  ARRAY(SELECT name FROM changed WHERE oid = ANY (i.indcollation::oid[]) ORDER BY 1) AS collations
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_am AS a ON a.oid = c.relam
WHERE c.relkind = 'i' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
ORDER BY 1
"""
# The two halves of a bigint's key: https://www.postgresql.org/docs/17/view-pg-locks.html
# But for those that a statement of upkeep holds.
ADVISORY_LOCKS = """
SELECT classid::bigint << 32 | objid::bigint FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND application_name <> 'freelance-maintenance'
"""
# In the statement's own session, and the session's: VACUUM and REINDEX (CONCURRENTLY) run in no transaction. Not waited
# for: who waits in a statement holds a snapshot, which a migration's CREATE INDEX CONCURRENTLY would wait for.
LOCK = "DO $lock$BEGIN IF NOT pg_try_advisory_lock({}) THEN RAISE EXCEPTION USING MESSAGE = '{}'; END IF; END$lock$"
LOCK_HELD = "the lock of {} is held"
CANCEL = """
SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'freelance-maintenance' AND query = '{}'
"""
# Who backs up, dumps or restores, here or on a replica: pgBackRest and freelance-backup keep a session with the leader
# while they read elsewhere. A client that gives itself such a name holds nothing up: it has no such role.
OTHERS = """
SELECT (SELECT count(*) FROM pg_stat_progress_basebackup)
  + (SELECT count(*) FROM pg_stat_activity AS s JOIN pg_roles AS r ON r.oid = s.usesysid
     WHERE (r.rolsuper OR r.rolbypassrls) AND application_name IN ('pgBackRest [backup]', 'pg_dump', 'pg_restore'))
"""
EXTENSION = "SELECT quote_ident(extnamespace::regnamespace::text) FROM pg_extension WHERE extname = '{}'"
AS_JSON = "SELECT coalesce(json_agg(asked), '[]') FROM ({}) AS asked"
COUNTED_SINCE = "SELECT stats_reset FROM {}.pg_stat_statements_info"
STATEMENTS = """
SELECT d.datname AS database, r.rolname AS role, s.queryid, s.query, s.calls, s.total_exec_time AS total_exec_ms,
  s.mean_exec_time AS mean_exec_ms, s.max_exec_time AS max_exec_ms, s.rows, s.shared_blks_hit, s.shared_blks_read,
  s.temp_blks_written, s.wal_bytes
FROM {}.pg_stat_statements AS s LEFT JOIN pg_database AS d ON d.oid = s.dbid LEFT JOIN pg_roles AS r ON r.oid = s.userid
ORDER BY s.total_exec_time DESC LIMIT {}
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Capacity:
    """What a sample of capacity looks at, under this host's name in the inventory."""

    host: str
    database: str
    has_server: bool
    pooler_port: int  # 0: none
    folders: list[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The configuration file (JSON): exactly these keys."""

    databases: list[str]
    socket_dir: str
    port: int
    schedules: dict[str, str]
    window_start_hour: int
    window_end_hour: int
    load_per_core_max: float
    lock_timeout_seconds: int
    rebuild_wait_seconds: int
    statement_minutes_max: int
    busy_locks: dict[str, int]
    urgent_locks: dict[str, int]
    busy_files: list[str]
    limits: dict[str, int]
    statements_max: int
    keep_days: int
    capacity: dict[str, Any]
    status_dir: str
    metrics_dir: str
    mail_to: str

    @classmethod
    def load(cls, path: str) -> "Config":
        """Read a file; an unknown or missing key raises ValueError."""
        values: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        for what, known, found in (
            (path, cls, values),
            (f"{path}: limits", Limits, values.get("limits", {})),
            (f"{path}: capacity", Capacity, values.get("capacity", {})),
        ):
            if wrong := {field.name for field in dataclasses.fields(known)}.symmetric_difference(found):
                raise ValueError(f"{what}: missing or unknown keys: {', '.join(sorted(wrong))}")
        return cls(**values)


def quoted(text: str) -> str:
    """Double the quotes of a text that stands between such."""
    return text.replace("'", "''")


def ask(
    config: Config,
    database: str,
    statement: str,
    settings: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
) -> str:
    """Run one statement as the superuser, by the local socket, after others in its session; return what they print."""
    # Gently, and never in a client's way: who waits for a lock holds up all who come after it.
    options = {
        "search_path": "pg_catalog",
        "lock_timeout": f"{config.lock_timeout_seconds}s",
        "statement_timeout": "0",
        "vacuum_cost_delay": "2ms",
        **(settings or {}),
    }
    environment = {
        **os.environ,
        "PGAPPNAME": "freelance-maintenance",
        "PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in options.items()),
    }
    where = [f"--host={config.socket_dir}", f"--port={config.port}", "--username=postgres", f"--dbname={database}"]
    commands = [f"--command={each}" for each in (*before, statement)]
    asking = ["psql", "-XAtq", "--no-password", "--set=ON_ERROR_STOP=1", *where, *commands]
    return run_tool(asking, environment=environment).strip()


def ask_alone(
    config: Config,
    has_to_end: Callable[[], str],
    database: str,
    statement: str,
    settings: Mapping[str, str] | None,
) -> str:
    """Run a statement that may take long under all locks that upkeep respects; return what it printed.

    Raises Postponed when one is held, or when has_to_end() gave a reason to cancel it.
    """
    why = ""
    locks = [LOCK.format(key, quoted(LOCK_HELD.format(what))) for what, key in config.busy_locks.items()]
    limit = {"statement_timeout": f"{config.statement_minutes_max}min"}
    with ThreadPoolExecutor(max_workers=1) as workers:
        running = workers.submit(ask, config, database, statement, limit | dict(settings or {}), locks)
        while wait([running], timeout=LOOK_S).not_done:
            with suppress(JobError, OSError):  # a look that fails is no reason to look no more
                if why := why or has_to_end():
                    ask(config, "postgres", CANCEL.format(quoted(statement)))
        try:
            return running.result()
        except JobError as error:
            if why:
                raise Postponed(f"{statement} was ended: {why}") from error
            for held in map(LOCK_HELD.format, config.busy_locks):
                if held in str(error):
                    raise Postponed(held) from error
            raise


def rows(config: Config, database: str, query: str) -> list[dict[str, Any]]:
    """Ask for rows as dictionaries."""
    found: list[dict[str, Any]] = json.loads(ask(config, database, AS_JSON.format(query)))
    return found


def leads(config: Config) -> bool:
    """Tell whether this host's server leads; one that doesn't answer raises JobError."""
    return ask(config, "postgres", "SELECT pg_is_in_recovery()") == "f"


def databases(config: Config) -> list[str]:
    """Name all databases that take connections: the oldest rows of any of them end the whole cluster's writes."""
    return [row["datname"] for row in rows(config, "postgres", DATABASES)]


def tables(config: Config, database: str) -> list[Table]:
    """Describe a database's tables."""
    return [Table(**row) for row in rows(config, database, TABLES)]


def indexes(config: Config, database: str) -> list[Index]:
    """Describe a database's indexes."""
    return [Index(**row) for row in rows(config, database, INDEXES)]


def extension_schema(config: Config, database: str, extension: str) -> str:
    """Tell where an extension's functions are; its lack raises JobError."""
    if not (schema := ask(config, database, EXTENSION.format(extension))):
        raise JobError(f"{database} lacks the extension {extension}: postgresql_access makes the platform's")
    return schema


def density_percent(config: Config, database: str, index: Index, asked: Asked) -> float:
    """Measure how full an index's leaves are, which `asked` reads; an index without any counts as full."""
    schema = extension_schema(config, database, "pgstattuple")
    name = quoted(index.name)
    # The names are quoted by the server itself.
    measure = f"SELECT coalesce(nullif(avg_leaf_density, 'NaN'), 100) FROM {schema}.pgstatindex('{name}'::regclass)"  # noqa: S608
    return float(asked(database, measure, None))


def refresh_versions(config: Config, database: str, collations: Iterable[str]) -> None:
    """Note that every index has been rebuilt with the collations' versions of today."""
    for collation in sorted(collations):
        what = f"COLLATION {collation}"
        if collation == "default":
            what = "DATABASE " + ask(config, database, "SELECT quote_ident(current_database())")
        word = "COLLATION VERSION" if collation == "default" else "VERSION"
        ask(config, database, f"ALTER {what} REFRESH {word}")


def busy_on_server(config: Config, *locks: Mapping[str, int]) -> str:
    """Tell what upkeep has to wait for, as the server knows it: who holds such locks, a backup. Empty: nothing."""
    names = {key: what for each in locks for what, key in each.items()}
    held = {int(key) for key in ask(config, "postgres", ADVISORY_LOCKS).split()}
    if found := sorted({names[key] for key in held & names.keys()}):
        return f"{' and '.join(found)} is running"
    return "" if ask(config, "postgres", OTHERS) == "0" else "a backup or a dump is running"


def statements(config: Config) -> dict[str, Any]:
    """Read what the server's statements have cost since its counters began."""
    database = config.databases[0]
    schema = extension_schema(config, database, "pg_stat_statements")
    since = ask(config, database, COUNTED_SINCE.format(schema))
    return {"since": since, "statements": rows(config, database, STATEMENTS.format(schema, config.statements_max))}
