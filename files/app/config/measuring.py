"""How figures are asked for: PostgreSQL's by SQL, PgBouncer's by its console, a disk's of the kernel."""

import os
import time
from pathlib import Path
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

PROC = Path("/proc")
# How long a disk is watched.
DISK_SECONDS = 5
# Column of /proc/diskstats behind major, minor and name: ms in which the device had something to do.
IO_TICKS = 12


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


def disk_busy(using: str) -> list[Row]:
    """Return the device of the data directory and the share of DISK_SECONDS in which it had something to do, in %.

    Raises NotMeasuredError unless the server that answers runs on this host: another one's disk is not to be seen.
    """
    folder = settings.POSTGRESQL_DATA_DIRECTORY
    if not folder:
        raise NotMeasuredError("POSTGRESQL_DATA_DIRECTORY is not set, so no disk is known to be the database's.")
    (server,) = rows(using, "SELECT pg_backend_pid() AS pid, session_user::text || ' ' || current_database() AS title")
    try:
        # Another host may have a process of this number, but hardly this session's.
        here = f"{server['title']} " in (PROC / str(server["pid"]) / "cmdline").read_text()
    except FileNotFoundError:
        here = False
    except OSError as error:
        raise NotMeasuredError(f"Where the server runs that answers is not to be seen: {error.strerror}.") from error
    if not here:
        raise NotMeasuredError("The server that answers runs on another host: its exporter knows the disk.")
    try:
        device = Path(folder).stat().st_dev
        (name, before), started = _io_ticks(device), time.monotonic()
        time.sleep(DISK_SECONDS)
        (_, after), ended = _io_ticks(device), time.monotonic()
    except OSError as error:
        raise NotMeasuredError(f"The disk of {folder} cannot be watched: {error.strerror}.") from error
    # The kernel rounds up to its own clock.
    return [{"device": name, "busy_percent": min(100.0, (after - before) / (ended - started) / 10)}]


def _io_ticks(device: int) -> tuple[str, int]:
    """Return name and busy ms of a device."""
    for line in (PROC / "diskstats").read_text().splitlines():
        fields = line.split()
        if fields[:2] == [str(os.major(device)), str(os.minor(device))]:
            return fields[2], int(fields[IO_TICKS])
    raise NotMeasuredError(f"Device {os.major(device)}:{os.minor(device)} of the data directory is no disk.")
