"""Plain sessions of the database's roles, past Django: what somebody gets who knows a role's password."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from apps.common.identity import PERSON
from django.conf import settings
from server import Server

POSTGRESQL, POOLER = 5432, 6432


@contextmanager
def session(
    server: Server, role: str, *, port: int = POSTGRESQL, database: str = "freelance_platform"
) -> Iterator[psycopg.Connection[Any]]:
    """Log in as a role by its password; the server's name is checked."""
    with psycopg.connect(
        host="pooled.test", hostaddr=server.address, port=port, dbname=database, user=role, password=f"test-{role}",
        sslmode="verify-full", sslrootcert=settings.DATABASES["default"]["OPTIONS"]["sslrootcert"], connect_timeout=10,
        autocommit=True, prepare_threshold=None,
    ) as made:  # fmt: skip
        yield made


@contextmanager
def as_person(of: psycopg.Connection[Any], person: UUID) -> Iterator[None]:
    """A transaction of this person, as the application makes it. It is rolled back."""
    with of.transaction(force_rollback=True):
        of.execute("SELECT set_config(%s, %s, true)", [PERSON, str(person)])
        yield


def scalar(of: psycopg.Connection[Any], query: str, *parameters: Any) -> Any:
    """Return the first column of the first row. The query is the test's own."""
    row = of.execute(query, parameters or None).fetchone()
    return None if row is None else row[0]


def told(error: psycopg.Error) -> str:
    """Return all that a client is told of an error."""
    diag = error.diag
    return " ".join(
        filter(None, [diag.message_primary, diag.message_detail, diag.message_hint, diag.context, str(error)])
    )
