"""Many clients at once share PgBouncer's server connections: nobody reads, changes or is told what is another's."""

import random
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import factories as make
import factories_contracts as contracts
import factories_people as people
import factories_talk as talk
import pytest
from apps.accounts.models import User, UserPrivate
from apps.common.identity import acting_as, acting_as_platform
from apps.messaging.models import BlockedUser
from apps.payments import ledger
from config.router import all_on
from django.db import DatabaseError, connections, transaction
from psycopg import Error
from server import Server
from sessions import told

CLIENTS, TRANSACTIONS = 30, 6
# Whose rows come back: of who acts, and of nobody else. "own_secrets" is a view.
WHOSE = [
    "SELECT user_id FROM payments_wallet",
    "SELECT user_id FROM accounts_useractivitylog",
    "SELECT user_id FROM own_secrets",
    "SELECT sender_id FROM messaging_message",
    "SELECT user_id FROM accounts_userprivate FOR UPDATE",
    "UPDATE accounts_userprivate SET real_name_sealed = real_name_sealed RETURNING user_id",
    "UPDATE own_secrets SET real_name_sealed = real_name_sealed RETURNING user_id",
    "UPDATE messaging_message SET read_at = read_at RETURNING sender_id",
    "DELETE FROM messaging_blockeduser RETURNING blocker_id",
    "DELETE FROM accounts_userprivate RETURNING user_id",
    "MERGE INTO messaging_blockeduser AS t USING accounts_user AS u ON t.blocker_id = u.id"
    " WHEN MATCHED THEN UPDATE SET note = note RETURNING u.id",
]
# What meets a neighbour's row: it is refused, or brings no row.
THEIRS = [
    "UPDATE accounts_userprivate SET user_id = user_id WHERE user_id = %(theirs)s RETURNING real_name_sealed",
    "DELETE FROM messaging_blockeduser WHERE blocker_id = %(theirs)s RETURNING note",
    "INSERT INTO accounts_userprivate (user_id) VALUES (%(theirs)s) ON CONFLICT (user_id) DO NOTHING RETURNING user_id",
    "INSERT INTO accounts_userprivate (user_id) VALUES (%(theirs)s) ON CONFLICT (user_id)"
    " DO UPDATE SET phone_number_sealed = accounts_userprivate.real_name_sealed RETURNING real_name_sealed",
    "INSERT INTO own_secrets (user_id) VALUES (%(theirs)s) RETURNING user_id",
    "UPDATE payments_wallet SET balance = 0 WHERE user_id = %(theirs)s RETURNING balance",
    "UPDATE messaging_message SET read_at = now() WHERE sender_id = %(theirs)s RETURNING body",
    "INSERT INTO messaging_message (conversation_id, sender_id, body) VALUES (%(conversation)s, %(theirs)s, '同意')"
    " RETURNING id",
    "SELECT user_id FROM accounts_useractivitylog_default",
    "SELECT user_id FROM accounts_useractivitylog WHERE user_id = %(theirs)s",
    "SELECT ledger_open_wallet(%(theirs)s)",
    "SELECT ledger_deposit('key-stolen', %(theirs)s, 1, 'CNY', '')",
    "SELECT body::int FROM messaging_message WHERE sender_id = %(theirs)s",
]


class Client:
    """Somebody who works through the pool, some of the time without saying who they are."""

    def __init__(self, seed: int) -> None:
        self.person: User = make.user()
        self.chance = random.Random(seed)  # noqa: S311 (the same turns each time)
        self.secrets = [f"姓名{seed:03d}", f"正文{seed:03d}", f"备注{seed:03d}", f"{1000 + seed}.37"]
        self.wrong: list[str] = []
        self.servers: set[int] = set()
        name, body, note, balance = self.secrets
        with acting_as(self.person.pk):
            ledger.open_wallet(self.person.pk)
            UserPrivate.objects.create(user=self.person, real_name=name)
            people.activity(user=self.person)
            BlockedUser.objects.create(blocker=self.person, blocked=make.user(), note=note)
            self.conversation = talk.conversation(self.person)
            talk.message(self.conversation, sender_id=self.person.pk, body=body)
        with acting_as_platform():
            ledger.deposit(contracts.key(), self.person.pk, Decimal(balance))

    def run(self, others: "list[Client]") -> None:
        try:
            with all_on("default"):
                for _ in range(TRANSACTIONS):
                    self.take_a_turn(self.chance.choice(others))
        except Exception as error:
            self.wrong.append(repr(error))
        finally:
            connections["default"].close()

    def take_a_turn(self, neighbour: "Client") -> None:
        if self.chance.random() < 0.3:
            with transaction.atomic(using="default"):
                self.look(neighbour, set())
            return
        try:
            with acting_as(self.person.pk, using="default"):
                self.look(neighbour, {self.person.pk})
                if self.chance.random() < 0.3:
                    raise TimeoutError
        except TimeoutError:
            pass

    def look(self, neighbour: "Client", own: set[Any]) -> None:
        """Run some of the statements, each rolled back by itself; `own` is whose rows may come back."""
        ((server,),) = self.answer("SELECT pg_backend_pid()", neighbour)
        self.servers.add(server)
        names = {private.real_name for private in UserPrivate.objects.all()}
        if names != set(self.secrets[:1] if own else ()):
            self.wrong.append(f"{self.person.pk} read {names}")
        for statement in self.chance.sample(WHOSE, 3):
            found = {key for (key,) in self.answer(statement, neighbour)}
            if found != own:
                self.wrong.append(f"{self.person.pk}: {statement}: {found}")
        for statement in self.chance.sample(THEIRS, 3):
            if theirs := self.answer(statement, neighbour):
                self.wrong.append(f"{self.person.pk}: {statement}: {theirs}")

    def answer(self, statement: str, neighbour: "Client") -> list[Any]:
        """Return the rows of a statement; of one that is refused none, after a look at what the error tells."""
        values = {"theirs": neighbour.person.pk, "conversation": neighbour.conversation.pk}
        try:
            with transaction.atomic(using="default"), connections["default"].cursor() as cursor:
                cursor.execute(statement, values)
                found = cursor.fetchall()
                transaction.set_rollback(True, using="default")
                return list(found)
        except DatabaseError as error:
            refusal = error.__cause__
            if not isinstance(refusal, Error) or refusal.sqlstate not in {"42501", "23514"}:
                raise
            if shown := [secret for secret in neighbour.secrets if secret in told(refusal)]:
                self.wrong.append(f"{self.person.pk}: {statement}: {shown} in {refusal}")
            return []


@pytest.fixture
def view(migrated: Server) -> Iterator[None]:
    """A view as a release may bring one, of the rows that are most private."""
    made = "CREATE VIEW own_secrets WITH (security_invoker) AS SELECT * FROM accounts_userprivate"
    migrated.sql("freelance_platform", f"SET ROLE freelance_owner; {made};")
    yield
    migrated.sql("freelance_platform", "DROP VIEW own_secrets;")


@pytest.mark.usefixtures("world", "view")
def test_many_clients_at_once_reach_their_own_rows_and_no_others() -> None:
    clients = [Client(seed) for seed in range(CLIENTS)]
    connections["default"].close()
    threads = [
        threading.Thread(target=client.run, args=([other for other in clients if other is not client],))
        for client in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive()
    assert [wrong for client in clients for wrong in client.wrong] == []
    assert len(set().union(*(client.servers for client in clients))) < CLIENTS
