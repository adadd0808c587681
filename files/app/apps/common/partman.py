"""What pg_partman has to know of a log, and what it leaves open: SQL of migrations and of `maintain_partitions`.

pg_partman is the library that names, makes and fills partitions. Its background worker does not run: a superuser, it
would do what the owner of the tables writes into its configuration, and leave the partitions open that it makes.
"""

from django.db.migrations import RunSQL

MONTHS_AHEAD = 6

# Partitions are reached by their parent alone: its privileges and policies would not hold on them. Default privileges
# give them away like any new table, so this follows in the transaction that made one.
CLOSE_PARTITIONS = """
DO $close$
DECLARE revoke text;
BEGIN
    FOR revoke IN
        SELECT DISTINCT format('REVOKE ALL ON %s FROM %s', c.oid::regclass,
            CASE held.grantee WHEN 0 THEN 'PUBLIC' ELSE held.grantee::regrole::text END)
        FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid, aclexplode(c.relacl) AS held
        WHERE inhparent = '{table}'::regclass AND held.grantee <> c.relowner
    LOOP
        EXECUTE revoke;
    END LOOP;
END $close$;
"""

# Months begin at midnight UTC, whatever the session's time zone. A month that has rows in the default partition is left
# to `maintain_partitions`: it takes the rows out first.
_REGISTER = """
SET LOCAL TIME ZONE 'UTC';
SELECT partman.create_parent(
    p_parent_table := 'public.{table}',
    p_control := 'created_at',
    p_interval := '1 month',
    p_premake := {months_ahead},
    p_start_partition := (date_trunc('month', now()) + CASE
        WHEN EXISTS (SELECT FROM {table}_default WHERE created_at >= date_trunc('month', now()))
        THEN interval '1 month' ELSE interval '0' END)::text,
    -- It is there already.
    p_default_table := false,
    p_automatic_maintenance := 'off',
    -- Everything that a partition needs is said on its parent.
    p_template_table := 'false',
    p_jobmon := false
);
-- Months ahead of today, also where nobody wrote for a while.
UPDATE partman.part_config SET infinite_time_partitions = true WHERE parent_table = 'public.{table}';
"""

_UNREGISTER = """
SET CONSTRAINTS ALL IMMEDIATE;
DO $unregister$
DECLARE
    months regclass[] := ARRAY(SELECT c.oid::regclass FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid
        WHERE inhparent = '{table}'::regclass AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT');
    detached regclass;
BEGIN
    FOREACH detached IN ARRAY months LOOP
        EXECUTE format('ALTER TABLE {table} DETACH PARTITION %s', detached);
    END LOOP;
    -- All of them are gone: the rows go to the default partition. Not by its parent, which not every owner may write.
    FOREACH detached IN ARRAY months LOOP
        EXECUTE format('INSERT INTO {table}_default TABLE %s', detached);
        EXECUTE format('DROP TABLE %s', detached);
    END LOOP;
END $unregister$;
SET CONSTRAINTS ALL IMMEDIATE;
DELETE FROM partman.part_config WHERE parent_table = 'public.{table}';
"""


def kept_by_partman(table: str) -> RunSQL:
    """Have pg_partman make the months of a table of `partitioned_by_month`, from this one to MONTHS_AHEAD.

    The extension lies in the schema `partman`, usable by the owner of the tables (role postgresql_access).
    """
    forward = _REGISTER.format(table=table, months_ahead=MONTHS_AHEAD) + CLOSE_PARTITIONS.format(table=table)
    return RunSQL(forward, _UNREGISTER.format(table=table))
