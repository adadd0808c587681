"""Advisory locks that a session holds: what must not run twice at once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import CommandError
from django.db.backends.base.base import BaseDatabaseWrapper


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
                    f"{wait_seconds:.0f} s. Wait for it to end, or end it with pg_terminate_backend({holder[0]})."
                )
            time.sleep(0.5)
    try:
        yield
    finally:
        # A broken session has no lock any more.
        if connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])
