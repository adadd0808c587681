"""What a request wrote is there for the next one of the same browser, whichever process or host answers it.

A signed cookie holds the position in the leader's log after the commit. Until the replica has come that far, this
browser's requests read from the leader.
"""

import logging
import math

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import OperationalError, connections, router
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from config.router import LEADER, REPLICA, pin_to_leader

logger = logging.getLogger(__name__)

COOKIE = "written_at"
# A replica that is further behind has left the pool (roles/database_endpoint).
COOKIE_SECONDS = 300


def wait_for_own_writes(request: HttpRequest) -> None:
    """Read from the leader in this request, if the replica does not have what this browser wrote before."""
    position = request.get_signed_cookie(COOKIE, default="", max_age=COOKIE_SECONDS)
    reads_from_replica = router.db_for_read(get_user_model()) == REPLICA
    if position and reads_from_replica and not replica_has(position):
        pin_to_leader(math.inf)


def note_own_writes(response: HttpResponseBase) -> None:
    """Tell the browser's next request how far the log has come: after the commit of this one."""
    if REPLICA not in settings.DATABASES:
        return
    try:
        with connections[LEADER].cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_insert_lsn()::text")
            position = cursor.fetchone()[0]
    except OperationalError as error:
        # The commit is done: no reason to tell the browser that it failed.
        logger.warning("The leader does not tell the position of a commit: %s", error)
        return
    secure = settings.SESSION_COOKIE_SECURE
    response.set_signed_cookie(COOKIE, position, max_age=COOKIE_SECONDS, httponly=True, samesite="Lax", secure=secure)


def replica_has(position: str) -> bool:
    """Say whether the alias `replica` shows everything up to this position. A leader behind it does."""
    with connections[REPLICA].cursor() as cursor:
        cursor.execute("SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= %s::pg_lsn", [position])
        return bool(cursor.fetchone()[0])
