"""The monitoring queries of the database guide as PostgreSQL 17 understands them, and what its figures need besides.

Each returns plain values (text, numbers, booleans) whose names carry the unit. A partitioned table counts as one, with
all its partitions. Nothing here reads a row of the application.
"""

# Where pg_stat_statements was installed: any schema will do. `{statements}` below stands for it.
STATEMENTS_VIEW = """
SELECT quote_ident(nspname) || '.pg_stat_statements' AS view
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
WHERE extname = 'pg_stat_statements'
"""

# What the application asked of this database. The view holds no constants of queries, but those of commands (a password
# in ALTER ROLE): commands are left out, and what reads PostgreSQL's own catalogue. The guide tells simple queries from
# complex ones without a rule: here a statement is complex when it joins, groups, counts or holds another one.
_STATEMENTS = r"""
WITH statements AS (
    SELECT queryid::text AS query_id, pg_get_userbyid(userid)::text AS role, calls,
        mean_exec_time AS mean_ms, max_exec_time AS max_ms, total_exec_time AS total_ms,
        shared_blk_read_time AS read_ms, rows,
        CASE WHEN query ~* '^\s*with\M|\m(join|union|intersect|except|distinct|over|group\s+by)\M|\(\s*select\M|@@'
                OR query ~* '\m(count|sum|avg|min|max)\('
            THEN 'complex' ELSE 'simple' END AS kind,
        regexp_replace(btrim(query), '\s+', ' ', 'g') AS query
    FROM {statements}
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND query ~* '^\s*(select|insert|update|delete|merge|with)\M' AND query !~* '\m(from|join)\s+(\S+\.)?pg_'
)
"""

# Guide, Monitoring Queries and Performance Tuning: `mean_time` is mean_exec_time since PostgreSQL 13.
SLOW_QUERIES = (
    _STATEMENTS
    + """
SELECT * FROM statements WHERE mean_ms > %(slower_than_ms)s ORDER BY mean_ms DESC LIMIT %(limit)s
"""
)

RESPONSE_TIMES = (
    _STATEMENTS
    + """
SELECT kind, count(*) AS statements, sum(calls)::bigint AS calls, max(mean_ms) AS slowest_mean_ms,
    sum(total_ms) / sum(calls)::float8 AS mean_ms
FROM statements GROUP BY kind ORDER BY kind DESC
"""
)

HIDDEN_STATEMENTS = """
SELECT count(*) AS hidden FROM {statements}
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND queryid IS NULL
"""

_INDEXES = """
WITH scanned AS (
    SELECT coalesce(pg_partition_root(indexrelid), indexrelid)::oid AS root, sum(idx_scan)::bigint AS scans,
        sum(idx_tup_read)::bigint AS entries_read, sum(pg_relation_size(indexrelid))::bigint AS bytes,
        max(last_idx_scan)::text AS last_scan
    FROM pg_stat_user_indexes GROUP BY 1
), indexes AS (
    SELECT indrelid::regclass::text AS "table", root::regclass::text AS index, scans, entries_read, bytes, last_scan,
        EXISTS (
            SELECT FROM pg_constraint WHERE contype = 'f' AND conrelid = indrelid AND conkey[1] = indkey[0]
        ) AS serves_foreign_key,
        indisunique OR indisexclusion AS guards
    FROM scanned JOIN pg_index ON indexrelid = root
)
"""

# Guide, Monitoring Queries.
INDEX_USAGE = (
    _INDEXES
    + """
SELECT * FROM indexes ORDER BY scans DESC, index LIMIT %(limit)s
"""
)

# Guide, Performance Tuning: `tablename` and `indexname` are relname and indexrelname. An index that keeps a rule is
# needed also when no query uses it.
RARELY_USED_INDEXES = (
    _INDEXES
    + """
SELECT "table", index, scans, bytes, last_scan, serves_foreign_key FROM indexes
WHERE scans < %(fewer_than)s AND NOT guards ORDER BY bytes DESC, index
"""
)

# Guide, Monitoring Queries: by the table's oid, since a name put together from text breaks where it needs quotes.
TABLE_SIZES = """
SELECT coalesce(pg_partition_root(relid), relid)::oid::regclass::text AS "table",
    sum(n_live_tup)::bigint AS rows_estimate, sum(pg_table_size(relid))::bigint AS table_bytes,
    sum(pg_indexes_size(relid))::bigint AS index_bytes, sum(pg_total_relation_size(relid))::bigint AS total_bytes
FROM pg_stat_user_tables GROUP BY 1 ORDER BY total_bytes DESC, 1 LIMIT %(limit)s
"""

TABLE_CACHE = """
WITH blocks AS (
    SELECT coalesce(pg_partition_root(relid), relid)::oid::regclass::text AS "table",
        sum(coalesce(heap_blks_read, 0) + coalesce(idx_blks_read, 0) + coalesce(toast_blks_read, 0)) AS read,
        sum(coalesce(heap_blks_hit, 0) + coalesce(idx_blks_hit, 0) + coalesce(toast_blks_hit, 0)) AS hit
    FROM pg_statio_user_tables GROUP BY 1
)
SELECT "table", read::bigint AS blocks_read, (100.0 * hit / (hit + read))::float8 AS hit_percent
FROM blocks WHERE hit + read > 0 ORDER BY read DESC, 1 LIMIT %(limit)s
"""

# Guide, Performance Tuning: instead of an ANALYZE of three named tables, the tables whose statistics are older than
# autovacuum would leave them. `ANALYZE <table>`, as the owner, mends it.
STALE_STATISTICS = """
SELECT relid::regclass::text AS "table", n_live_tup AS rows_estimate, n_mod_since_analyze AS changed_rows,
    greatest(last_analyze, last_autoanalyze)::text AS analyzed_at
FROM pg_stat_user_tables
WHERE n_mod_since_analyze > current_setting('autovacuum_analyze_threshold')::float8
    + current_setting('autovacuum_analyze_scale_factor')::float8 * n_live_tup
ORDER BY n_mod_since_analyze DESC, 1
"""

# Guide, Capacity Planning. `counted_since` is NULL where the counters were never reset.
DATABASE = """
SELECT current_database()::text AS database, session_user::text AS role, pg_is_in_recovery() AS is_replica,
    current_setting('server_version') AS version, pg_database_size(oid) AS bytes, stats_reset::text AS counted_since,
    (100.0 * blks_hit / nullif(blks_hit + blks_read, 0))::float8 AS cache_hit_percent,
    (SELECT sum(numbackends)::int FROM pg_stat_database) AS connections,
    current_setting('max_connections')::int AS max_connections,
    pg_size_bytes(current_setting('shared_buffers')) AS shared_buffers_bytes,
    temp_bytes, deadlocks, xact_commit AS committed, xact_rollback AS rolled_back
FROM pg_stat_database JOIN pg_database USING (datname) WHERE datname = current_database()
"""

# Many that were requested: max_wal_size is too small for what is written.
CHECKPOINTS = """
SELECT num_timed AS timed, num_requested AS requested, write_time AS write_ms, buffers_written
FROM pg_stat_checkpointer
"""

# Asked on the leader: who follows, and how far behind.
REPLICATION = """
SELECT application_name AS replica, state, sync_state,
    pg_wal_lsn_diff(
        CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, replay_lsn
    )::bigint AS behind_bytes, extract(epoch FROM replay_lag)::float8 AS lag_seconds
FROM pg_stat_replication ORDER BY 1
"""

# A default partition is a safety net: rows in it had no month made for them, and stand in the way of making it.
DEFAULT_PARTITIONS = """
SELECT partrelid::regclass::text AS "table", partdefid::regclass::text AS partition,
    pg_relation_size(partdefid) AS bytes, pg_stat_get_live_tuples(partdefid) AS rows_estimate
FROM pg_partitioned_table WHERE partdefid <> 0 AND pg_stat_get_live_tuples(partdefid) > 0 ORDER BY 2
"""

# Half-built: queries do not use them and writes pay for them. Not one that somebody is building: that holds this lock
# on the table; nor that of a partitioned table, which is valid when those of all its partitions are.
INVALID_INDEXES = """
SELECT indexrelid::regclass::text AS index FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE NOT indisvalid AND relkind = 'i' AND NOT EXISTS (
    SELECT FROM pg_locks WHERE relation = indrelid AND mode = 'ShareUpdateExclusiveLock' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
) ORDER BY 1
"""

# Of every endpoint. A replica that has replayed all that it received is behind all the same when it receives no more.
# After a switch of segments it is ahead of that: it skips the 16 MiB of padding that are still on their way. And it
# waits for the rest of a record that nobody hurries to write: the leader's WAL writer, which sleeps up to 5 s, sends
# whole pages (XLogBackgroundFlush). The limit is that of the page images in one record (XLR_MAX_BLOCK_ID): who waits
# for the rest of a longer one counts as late, and a replay that stands still so near to a page's end is not seen.
HEALTH = """
SELECT session_user::text AS role, pg_is_in_recovery() AS is_replica,
    current_setting('transaction_read_only') = 'on' AS read_only,
    CASE WHEN EXISTS (SELECT FROM pg_stat_wal_receiver) AND (
            unreplayed_bytes <= 0 OR mod(received_bytes, page_bytes) = 0 AND unreplayed_bytes <= 33 * page_bytes
        ) THEN 0
        WHEN pg_is_in_recovery() THEN extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
    END::float8 AS replay_lag_seconds
FROM (
    SELECT current_setting('wal_block_size')::int AS page_bytes,
        pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0') AS received_bytes,
        pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) AS unreplayed_bytes
) AS wal
"""
