"""Who acts in a transaction, as the database sees them: a person, the platform itself, or nobody.

Nobody may do nothing that is somebody's right: what forgets to say who acts is refused.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from uuid import UUID

from django.db import connections, transaction

PERSON = "app.current_user_id"
PLATFORM = "app.acts_for_platform"


def acting_as(person_id: UUID, using: str = "default") -> AbstractContextManager[None]:
    """Run a transaction as this person."""
    return _transaction_with({PERSON: str(person_id), PLATFORM: ""}, using)


def acting_as_platform(using: str = "default") -> AbstractContextManager[None]:
    """Run a transaction as the platform: a job, or the message of a payment provider."""
    return _transaction_with({PERSON: "", PLATFORM: "on"}, using)


@contextmanager
def _transaction_with(settings: Mapping[str, str], using: str) -> Iterator[None]:
    """Set these until the transaction ends, whoever gets the connection next.

    Inside another transaction the former values come back at the end; after an error the savepoint brings them.
    """
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        former = {}
        for name, value in settings.items():
            cursor.execute("SELECT coalesce(current_setting(%s, true), '')", [name])
            (former[name],) = cursor.fetchone()
            cursor.execute("SELECT set_config(%s, %s, true)", [name, value])
        yield
        for name, value in former.items():
            cursor.execute("SELECT set_config(%s, %s, true)", [name, value])
