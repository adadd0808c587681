"""How figures are asked for: PostgreSQL's by SQL, PgBouncer's by its console."""

from typing import Any

import psycopg
from django.conf import settings
from django.db import DatabaseError, connections, transaction
from psycopg.rows import dict_row

from apps.common.retry import sqlstate

Row = dict[str, Any]

# SQLSTATE of a missing right, a missing relation, a library that is not loaded, a query that took too long: the rest of
# an audit can still be had.
KEPT_BACK = {"42501", "42P01", "55000", "57014"}


class NotMeasuredError(Exception):
    """A figure that cannot be had here. The message says why."""


def rows(using: str, text: str, **parameters: Any) -> list[Row]:
    """Return what a query says to the role that logged in on the alias `using`. Nothing outlasts the call.

    Raises NotMeasuredError where the database keeps the answer back, DatabaseError where it cannot be reached.
    """
    try:
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            # The owner, as whom `direct` acts, may see less than the account behind it.
            cursor.execute("SET LOCAL ROLE NONE")
            cursor.execute(text, parameters or None)
            names = [column.name for column in cursor.description or ()]
            found = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
            transaction.set_rollback(True, using=using)
    except DatabaseError as error:
        if sqlstate(error) in KEPT_BACK:
            raise NotMeasuredError(str(error).strip()) from error
        raise
    return found


def pools() -> list[Row]:
    """Return the pools of every pooler: server connections in a transaction, and how many there may be.

    Raises NotMeasuredError without a connection for it, or when one pooler does not answer: its part would be missing.
    """
    if not settings.POOLERS:
        raise NotMeasuredError("DB_STATS_PASSWORD is not set, so PgBouncer is not asked.")
    return [pool for console in settings.POOLERS for pool in _pools_of(console)]


def _pools_of(console: dict[str, Any]) -> list[Row]:
    pooler = f"{console.get('hostaddr') or console['host']}:{console['port']}"
    try:
        # The console understands simple queries outside of transactions, and nothing else.
        with psycopg.Connection[Row].connect(
            **console, autocommit=True, row_factory=dict_row, cursor_factory=psycopg.ClientCursor
        ) as session:
            found = session.execute("SHOW POOLS").fetchall()
            databases = {row["name"]: row for row in session.execute("SHOW DATABASES")}
            users = {row["name"]: row for row in session.execute("SHOW USERS")}
    except psycopg.Error as error:
        raise NotMeasuredError(f"PgBouncer on {pooler} does not answer: {str(error).strip()}") from error
    pools = []
    for pool in found:
        # The console itself is listed as a database without servers.
        if pool["database"] == "pgbouncer":
            continue
        # SHOW USERS has a pool_size too, but repeats that of the row before where a role has none.
        limits = databases[pool["database"]]["pool_size"], users.get(pool["user"], {}).get("max_user_connections")
        # A role without a limit of its own has 0 there.
        size = min(limit for limit in limits if limit and limit > 0)
        pools.append({
            "pooler": pooler, "database": pool["database"], "role": pool["user"], "pool_size": size,
            "servers_active": pool["sv_active"], "clients_active": pool["cl_active"],
            "clients_waiting": pool["cl_waiting"], "longest_wait_seconds": pool["maxwait"],
            "use_percent": 100.0 * pool["sv_active"] / size,
        })  # fmt: skip
    return pools
