"""Who acts in a transaction, as the database sees them: a person, the platform itself, or nobody.

Nobody sees and does nothing that is somebody's: what forgets to say who acts gets no row and is refused. All of it
lives in settings of the transaction, so that behind a pooler nothing is left for the next client.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connections, transaction

from config.router import LEADER, REPLICA, all_on, opened_for_identity

logger = logging.getLogger(__name__)

PERSON = "app.current_user_id"
PLATFORM = "app.acts_for_platform"
_READ_ONLY = "transaction_read_only"

# Aliases on which the running request has a transaction.
_request_aliases: ContextVar[tuple[str, ...]] = ContextVar("request_aliases", default=())


def acting_as(person_id: UUID, using: str = LEADER) -> AbstractContextManager[None]:
    """Run a transaction as this person."""
    return _transaction_with(_person(person_id), using)


def acting_as_platform(using: str = LEADER) -> AbstractContextManager[None]:
    """Run a transaction as the platform: a job, or the message of a payment provider."""
    return _transaction_with({PERSON: "", PLATFORM: "on"}, using)


@contextmanager
def request_as(person_id: UUID | None) -> Iterator[None]:
    """Run a request as this person, None being nobody: a transaction on the leader, a read-only one on the replica.

    The one on the leader does not keep reads from the replica before something is written in it. A replica that does
    not answer is left out of this request.
    """
    with ExitStack() as stack:
        stack.enter_context(transaction.atomic(using=LEADER))
        _say(_person(person_id), LEADER)
        stack.enter_context(opened_for_identity())
        aliases: tuple[str, ...] = (LEADER,)
        if REPLICA in settings.DATABASES:
            try:
                with ExitStack() as opening:
                    opening.enter_context(transaction.atomic(using=REPLICA))
                    _say({**_person(person_id), _READ_ONLY: "on"}, REPLICA)
                    stack.push(opening.pop_all())
                aliases = (LEADER, REPLICA)
            except OperationalError as error:
                logger.warning("The replica does not answer, reading from the leader: %s", error)
                stack.enter_context(all_on(LEADER))
        token = _request_aliases.set(aliases)
        stack.callback(_request_aliases.reset, token)
        yield


def go_on_as(person_id: UUID | None) -> None:
    """Be somebody else, or nobody, for the rest of the running request. Outside of requests nothing happens."""
    for alias in _request_aliases.get():
        _say(_person(person_id), alias)


def _person(person_id: UUID | None) -> dict[str, str]:
    return {PERSON: str(person_id or ""), PLATFORM: ""}


def _say(values: Mapping[str, str], using: str) -> None:
    """Set these until the transaction ends, whoever gets the connection next."""
    calls = ", ".join(["set_config(%s, %s, true)"] * len(values))
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {calls}", [part for value in values.items() for part in value])


@contextmanager
def _transaction_with(values: Mapping[str, str], using: str) -> Iterator[None]:
    """Set these in a transaction. Inside another one the former values come back at the end.

    After an error the savepoint brings them.
    """
    with transaction.atomic(using=using):
        with connections[using].cursor() as cursor:
            reads = ", ".join(["coalesce(current_setting(%s, true), '')"] * len(values))
            cursor.execute(f"SELECT {reads}", list(values))
            former = dict(zip(values, cursor.fetchone(), strict=True))
        _say(values, using)
        yield
        _say(former, using)
