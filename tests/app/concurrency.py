"""Real connections at once: each action runs in a thread, which has a connection of its own."""

import threading
import time
from collections.abc import Callable
from typing import Any

from apps.common.identity import PLATFORM
from apps.common.retry import sqlstate
from django.conf import settings
from django.db import DatabaseError, connections


def act_for_the_platform(database: str = "freelance_platform") -> None:
    """Let the platform act in each transaction of this thread's connection that does not say who does.

    For rows that other connections have to see: a transaction around them would keep them back. The connection goes
    past the pooler, which would give what is set here to the next client.
    """
    act_for_nobody()
    connection, direct = connections["default"], settings.DATABASES["direct"]
    connection.settings_dict = connection.settings_dict | {
        "NAME": database, "HOST": direct["HOST"], "PORT": direct["PORT"],
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, 'on', false)", [PLATFORM])


def act_for_nobody() -> None:
    """Give this thread a new connection, by the pooler, in which nobody acts."""
    connections["default"].close()
    del connections["default"]


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """Run the actions together and return what each of them returned, or the constraint that refused it.

    Any other error is raised here, the first one first.
    """
    together = threading.Barrier(len(actions))
    outcomes: list[Any] = [None] * len(actions)

    def run(place: int, action: Callable[[], Any]) -> None:
        try:
            act_for_the_platform()
            together.wait(timeout=20)
            outcomes[place] = action()
        except DatabaseError as error:
            constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
            outcomes[place] = constraint if sqlstate(error).startswith("23") and constraint else error
        except BaseException as error:
            outcomes[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=entry) for entry in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


def until_somebody_waits() -> None:
    """Return when another connection waits for a lock of this one. Raises AssertionError after 20 s."""
    deadline = time.monotonic() + 20
    with connections["default"].cursor() as cursor:
        while time.monotonic() < deadline:
            # Not pg_stat_activity: inside a transaction that stays as it was first seen.
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            )
            if cursor.fetchone() != (0,):
                return
            time.sleep(0.01)
    raise AssertionError("nobody waited")
