"""Who acts: the person of a transaction, as the database sees them (app.current_user_id)."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connections, transaction

SETTING = "app.current_user_id"


@contextmanager
def acting_as(person_id: UUID | None, using: str = "default") -> Iterator[None]:
    """Run a transaction as this person, or as nobody (None): the platform itself.

    The identity ends with the transaction, whoever gets the connection next. Inside another transaction the former
    identity comes back at the end, after an error by the savepoint.
    """
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting(%s, true), '')", [SETTING])
        (former,) = cursor.fetchone()
        cursor.execute("SELECT set_config(%s, %s, true)", [SETTING, str(person_id or "")])
        yield
        cursor.execute("SELECT set_config(%s, %s, true)", [SETTING, former])
