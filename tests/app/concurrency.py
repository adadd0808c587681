"""Real connections at once: each action runs in a thread, which has a connection of its own."""

import threading
from collections.abc import Callable
from typing import Any

from apps.common.retry import sqlstate
from django.db import DatabaseError, connections


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """Run the actions together and return what each of them returned, or the constraint that refused it.

    Any other error is raised here, the first one first.
    """
    together = threading.Barrier(len(actions))
    outcomes: list[Any] = [None] * len(actions)

    def run(place: int, action: Callable[[], Any]) -> None:
        try:
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
