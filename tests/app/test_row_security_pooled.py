"""Behind PgBouncer in transaction mode clients share server connections, and never an identity."""

import random
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import factories as make
import psycopg
import pytest
from apps.accounts.models import User, UserPrivate
from apps.common.identity import PERSON, acting_as
from apps.payments import ledger
from apps.payments.models import Wallet
from config.router import all_on
from django.db import connections, transaction
from factories_world import World
from server import Server
from sessions import scalar, session

POOLER = 6432
CLIENTS, TRANSACTIONS = 40, 8
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


class Client:
    """Somebody who works through the pool, some of the time without saying who they are."""

    def __init__(self, person: User, seed: int) -> None:
        self.person = person
        self.chance = random.Random(seed)  # noqa: S311 (the same turns each time)
        self.wrong: list[str] = []
        self.servers: set[int] = set()

    def run(self) -> None:
        try:
            with all_on("default"):
                for _ in range(TRANSACTIONS):
                    self.take_a_turn()
        except Exception as error:
            self.wrong.append(repr(error))
        finally:
            connections["default"].close()

    def take_a_turn(self) -> None:
        if self.chance.random() < 0.3:
            with transaction.atomic(using="default"):
                self.look(set(), set())
            return
        try:
            with acting_as(self.person.pk, using="default"):
                self.look({self.person.pk}, {str(self.person.pk)})
                if self.chance.random() < 0.3:
                    raise TimeoutError
        except TimeoutError:
            pass

    def look(self, *wanted: set[Any]) -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self.servers.add(cursor.fetchone()[0])
        wallets = Wallet.objects.values_list("user_id", flat=True)
        names = [private.real_name for private in UserPrivate.objects.all()]
        if ({*wallets}, {*names}) != wanted:
            self.wrong.append(f"{self.person.pk} saw {[*wallets]} {[*names]}")


@pytest.mark.usefixtures("world")
def test_many_clients_at_once_see_their_own_rows_and_no_others() -> None:
    clients = [Client(make.user(), seed) for seed in range(CLIENTS)]
    for client in clients:
        with acting_as(client.person.pk):
            ledger.open_wallet(client.person.pk)
            UserPrivate.objects.create(user=client.person, real_name=str(client.person.pk))
    connections["default"].close()
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive()
    assert [wrong for client in clients for wrong in client.wrong] == []
    assert len(set().union(*(client.servers for client in clients))) < CLIENTS
