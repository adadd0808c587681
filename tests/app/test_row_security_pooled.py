"""Behind PgBouncer in transaction mode clients share server connections, and never an identity."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from apps.common.identity import PERSON
from factories_world import World
from server import Server
from sessions import POOLER, scalar, session

WHO = "SELECT coalesce(current_setting('app.current_user_id', true), '')"


@pytest.fixture
def two(migrated: Server) -> Iterator[tuple[psycopg.Connection[Any], psycopg.Connection[Any]]]:
    """Two clients of the application's role; one after the other they get the same server connection."""
    with (
        session(migrated, "freelance_user", port=POOLER) as one,
        session(migrated, "freelance_user", port=POOLER) as other,
    ):
        yield one, other


def server_of(client: psycopg.Connection[Any]) -> int:
    return int(scalar(client, "SELECT pg_backend_pid()"))


def identify(client: psycopg.Connection[Any], person: UUID) -> None:
    client.execute("SELECT set_config(%s, %s, true)", [PERSON, str(person)])


def test_the_next_client_of_a_connection_is_nobody(world: World, two: tuple[Any, Any]) -> None:
    one, other = two
    for ending in ("commit", "rollback", "error"):
        try:
            with one.transaction():
                identify(one, world.client.pk)
                assert scalar(one, "SELECT count(*) FROM orders_order") == 2
                shared = server_of(one)
                if ending == "rollback":
                    raise psycopg.Rollback
                if ending == "error":
                    one.execute("SELECT 1 / 0")
        except psycopg.errors.DivisionByZero:
            pass
        with other.transaction():
            assert server_of(other) == shared
            assert scalar(other, WHO) == ""
            assert scalar(other, "SELECT count(*) FROM orders_order") == 0


def test_clients_whose_transactions_interleave_keep_apart(world: World, two: tuple[Any, Any]) -> None:
    one, other = two
    with one.transaction():
        identify(one, world.client.pk)
        with other.transaction():
            identify(other, world.stranger.pk)
            assert server_of(one) != server_of(other)
            for _ in range(3):
                assert scalar(one, "SELECT count(*) FROM orders_order") == 2
                assert scalar(other, "SELECT count(*) FROM orders_order") == 0
        assert scalar(one, WHO) == str(world.client.pk)


def test_a_client_that_is_gone_in_its_transaction_leaves_no_identity(migrated: Server, world: World) -> None:
    with session(migrated, "freelance_user", port=POOLER) as gone:
        gone.autocommit = False
        identify(gone, world.client.pk)
        gone.close()
    with session(migrated, "freelance_user", port=POOLER) as next_one:
        for _ in range(4):
            assert scalar(next_one, WHO) == ""
            assert scalar(next_one, "SELECT count(*) FROM orders_order") == 0


def test_the_guides_own_way_gives_the_identity_to_the_next_client(world: World, two: tuple[Any, Any]) -> None:
    one, other = two
    one.execute("SELECT set_config('app.current_user_id', %s, false)", [str(world.client.pk)])
    try:
        assert scalar(other, WHO) == str(world.client.pk)
    finally:
        other.execute("RESET app.current_user_id")
    assert scalar(one, WHO) == ""
