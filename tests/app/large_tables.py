"""A seeded marketplace whose big tables have a million rows: what happened there, many times over.

Big are those that grow with everything that happens: the logs, what people say to each other, orders and the ledger.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from django.apps import apps
from django.db.models import DateTimeField
from server import Server

ROWS = 1_000_000
# The months that a seed and its copies fall into: its clock stands still on 2026-07-01. The audit's stands nowhere.
MONTHS = """
SELECT partman.create_partition_time(parent_table,
    ARRAY(SELECT generate_series('2025-01-01'::timestamptz, '2026-10-01', interval '1 month')))
FROM partman.part_config;
"""


@dataclass(frozen=True, kw_only=True)
class Copied:
    """A table, the minutes from a row to the next copy of it, and what else is another in the copy `n`.

    Some minutes, so that hot gigs stay hot and busy people busy.
    """

    model: str
    minutes: int
    changed: Mapping[str, str] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """Its name in the database."""
        return str(apps.get_model(self.model)._meta.db_table)

    def copies(self) -> str:
        """Return the statement that makes them, about in the order of time: so rows come in life, and BRIN needs it."""
        fields = apps.get_model(self.model)._meta.concrete_fields
        # A composite key is none, the database makes others.
        columns = [field for field in fields if field.column and not field.generated]
        later = {
            column.column: f"{column.column} + n * interval '{self.minutes} minutes'"
            for column in columns
            if isinstance(column, DateTimeField)
        }
        changed = {column.column: column.column for column in columns} | later
        changed |= {"id": "gen_random_uuid()", **self.changed}
        copies = f"(SELECT {ROWS} / count(*) FROM {self.table})"  # noqa: S608 (a model's)
        # The series hangs on the row: else the planner may go through all rows for each number.
        return f"""
            INSERT INTO {self.table} ({", ".join(changed)})
            SELECT {", ".join(changed.values())} FROM (SELECT * FROM {self.table} ORDER BY created_at) AS t,
                LATERAL generate_series(1, CASE WHEN t.id IS NOT NULL THEN {copies} END) AS n;
        """  # noqa: S608 (models')


# Among the keys of the others: behind them all, a join by their order would come to its end before it had begun.
ORDER_KEY = "overlay(gen_random_uuid()::text PLACING left(id::text, 13) FROM 1)::uuid"
# The copy stands where an order's number has its date.
ORDER_NUMBER = "'FP' || lpad(n::text, 6, '0') || right(number, 10)"
COPIED = (
    Copied(model="gigs.GigView", minutes=13),
    Copied(model="messaging.Message", minutes=11, changed={"number": "number + 1000 * n"}),
    Copied(model="orders.Order", minutes=3, changed={"id": ORDER_KEY, "number": ORDER_NUMBER}),
    Copied(model="common.AuditLog", minutes=1),
    Copied(model="accounts.UserActivityLog", minutes=13),
    Copied(model="gigs.GigSearchHistory", minutes=7),
    Copied(model="payments.Transaction", minutes=7, changed={"idempotency_key": "idempotency_key || '-' || n"}),
)
# Two at once: the smallest machine has two cores.
SESSIONS = 2
# As superuser: triggers and foreign keys do not judge the copies one by one, they differ from what was judged by their
# moment alone. Indexes are made when the rows are there: that is the shorter way.
FILL = """
SET session_replication_role = replica;
SET work_mem = '64MB';
SET maintenance_work_mem = '256MB';
SET max_parallel_maintenance_workers = 0;
CREATE TEMPORARY TABLE dropped AS SELECT c.relname, replace(pg_get_indexdef(c.oid), ' ON ONLY ', ' ON ') AS made
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = '{table}'::regclass AND NOT i.indisunique;
SELECT format('DROP INDEX %I', relname) FROM dropped \\gexec
{copies}
SELECT made FROM dropped \\gexec
ANALYZE {table};
"""
# Few quarrel in a seed. Where many do, the staff has a queue.
QUARRELS = """
INSERT INTO orders_orderdispute (created_at, order_id, raised_by_id, reason, description, status, resolution,
    refund_amount, resolution_note)
SELECT created_at + interval '5 days', id, client_id, 'quality', repeat('与约定不符', 3), 'open', '', 0, ''
FROM orders_order AS o WHERE NOT EXISTS (SELECT FROM orders_orderdispute WHERE order_id = o.id) LIMIT 2000;
"""
# What waits in the GIN indexes' lists is put in its place: a long list makes a search by them look dear.
AT_LAST = "VACUUM gigs_gig, accounts_user, accounts_userprofile, reviews_review; ANALYZE;"


def fill(server: Server, database: str) -> None:
    """Make copies of what a seed wrote into this database."""
    server.sql(database, f"SET session_replication_role = replica; {QUARRELS}")
    scripts = [FILL.format(table=copied.table, copies=copied.copies()) for copied in COPIED]
    with ThreadPoolExecutor(max_workers=SESSIONS) as sessions:
        list(sessions.map(lambda script: server.sql(database, script), scripts))
    server.sql(database, AT_LAST)
