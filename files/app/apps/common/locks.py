"""What must not run at once: work under advisory locks that a session holds, and upkeep beside a backup."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import CommandError
from django.db.backends.base.base import BaseDatabaseWrapper

EXIT_NOT_NOW = 75  # EX_TEMPFAIL of sysexits.h: freelance-job asks again
# pgBackRest and freelance-backup keep a session with the leader while they read a replica. A client that gives itself
# such a name holds nothing up: it has no such role.
BACKUP_RUNS = """
SELECT EXISTS (SELECT FROM pg_stat_progress_basebackup)
  OR EXISTS (SELECT FROM pg_stat_activity AS s JOIN pg_roles AS r ON r.oid = s.usesysid
    WHERE (r.rolsuper OR r.rolbypassrls) AND application_name IN ('pgBackRest [backup]', 'pg_dump', 'pg_restore'))
"""


def refuse_beside_backup(connection: BaseDatabaseWrapper) -> None:
    """Raise CommandError while the leader is backed up, dumped or restored into."""
    with connection.cursor() as cursor:
        cursor.execute(BACKUP_RUNS)
        if cursor.fetchone() == (True,):
            raise CommandError(
                "A backup or a dump is running (pg_stat_activity). Run the same command again when it has ended.",
                returncode=EXIT_NOT_NOW,
            )


@contextmanager
def session_lock(connection: BaseDatabaseWrapper, key: int, wait_seconds: float, what: str) -> Iterator[None]:
    """Hold the lock `key` in this session: it ends with the session, however that ends.

    what: who holds it, as in "deployment". Raises CommandError naming the holder when the lock is not free in time.
    """
    deadline = time.monotonic() + wait_seconds
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
            if cursor.fetchone() == (True,):
                break
            if time.monotonic() >= deadline:
                cursor.execute(
                    "SELECT pid, application_name, client_addr FROM pg_locks AS l JOIN pg_stat_activity USING (pid)"
                    " WHERE l.locktype = 'advisory' AND l.granted AND (l.classid::bigint << 32 | l.objid::bigint) = %s",
                    [key],
                )
                holder = cursor.fetchone() or ("?", "?", "?")
                raise CommandError(
                    f"Another {what} holds the lock: process {holder[0]} ({holder[1]}) from {holder[2]}. Waited "
                    f"{wait_seconds:.0f} s. Wait for it to end, or end it with pg_terminate_backend({holder[0]}).",
                    returncode=EXIT_NOT_NOW,
                )
            time.sleep(0.5)
    try:
        yield
    finally:
        _unlock(connection, "SELECT pg_advisory_unlock(%s)", key)


@contextmanager
def announced(connection: BaseDatabaseWrapper, key: int) -> Iterator[None]:
    """Let pg_locks show that this session wants to work, by a lock that many hold at once and nobody waits for."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock_shared(%s)", [key])
    try:
        yield
    finally:
        _unlock(connection, "SELECT pg_advisory_unlock_shared(%s)", key)


def _unlock(connection: BaseDatabaseWrapper, statement: str, key: int) -> None:
    # A broken session has no lock any more.
    if connection.connection is not None and not connection.connection.closed:
        with connection.cursor() as cursor:
            cursor.execute(statement, [key])
