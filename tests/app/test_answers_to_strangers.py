"""Triggers with the owner's rights answer to who may see what they ask: a guess gets one answer, true or not."""

from collections.abc import Mapping
from uuid import uuid4

import psycopg
import pytest
from factories_world import World
from psycopg import errors
from server import Server
from sessions import as_person, told

# What runs before a new row with other rights than the writer's, after what may ask first whether the writer sees it.
BEFORE_INSERT = """
SELECT relname, tgname, prosecdef FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal AND tgparentid = 0
    -- For each row, before, INSERT.
    AND tgtype & 7 = 7
ORDER BY relname, tgname COLLATE "C"
"""
# Of the other tables: why what is answered there is no secret.
ANSWER_TO_ALL = {
    "orders_order": "whether gig, package and freelancer are active, and what the extras of a new row come to: nothing",
    "accounts_userprivate": "whether an account is erased",
    "accounts_userprofile": "whether an account is erased",
    "accounts_userverification": "who is staff",
    "gigs_gigreport": "who is staff",
    "accounts_useractivitylog": "what time it is",
    "gigs_gigsearchhistory": "what time it is",
    "gigs_gigview": "what time it is",
    "payments_transaction": "nothing: the ledger alone writes it",
    "payments_wallet": "nothing: the ledger alone writes it",
}

# A row in another's name: of what is there and what is not. The guesser is the stranger of the world.
GUESSES: Mapping[str, tuple[str, dict[str, str]]] = {
    "messaging_conversation": (
        "INSERT INTO messaging_conversation (participant_low_id, participant_high_id, order_id, archived_by_low,"
        " archived_by_high) VALUES (least(%(one)s::uuid, %(other)s), greatest(%(one)s::uuid, %(other)s), %(order)s,"
        " false, false)",
        {"one": "client", "other": "freelancer", "order": "order"},
    ),
    "messaging_messagereaction": (
        "INSERT INTO messaging_messagereaction (message_id, user_id, emoji) VALUES (%(message)s, %(one)s, '🎉')",
        {"one": "client", "message": "message"},
    ),
    "messaging_messagereport": (
        "INSERT INTO messaging_messagereport (message_id, reporter_id, reason, details, status, resolution)"
        " VALUES (%(message)s, %(one)s, 'spam', '', 'open', '')",
        {"one": "freelancer", "message": "message"},
    ),
    "reviews_reviewinvitation": (
        "INSERT INTO reviews_reviewinvitation (order_id, invitee_id, status, reminders_sent, expires_at)"
        " VALUES (%(order)s, %(one)s, 'pending', 0, now() + interval '1 day')",
        {"one": "client", "order": "order"},
    ),
    "messaging_blockeduser": (
        "INSERT INTO messaging_blockeduser (blocker_id, blocked_id, note) VALUES (%(one)s, %(other)s, '')",
        {"one": "client", "other": "freelancer"},
    ),
}


def test_who_may_see_is_asked_before_the_owner_answers(migrated: Server) -> None:
    rows = [line.split("|") for line in migrated.sql("freelance_platform", BEFORE_INSERT).splitlines()]
    unguarded = {
        table
        for table, name, with_other_rights in rows
        if with_other_rights == "t"
        and not any(other < name and f"{table}_admits_who_" in other for of, other, _ in rows if of == table)
    }
    assert unguarded == ANSWER_TO_ALL.keys()


@pytest.mark.parametrize("table", GUESSES)
def test_a_guess_gets_the_same_answer_true_or_not(
    migrated: Server, world: World, application: psycopg.Connection[object], table: str
) -> None:
    statement, names = GUESSES[table]
    completed = f"SELECT order_id FROM orders_orderreview WHERE id = '{world.keys['orders_orderreview']}'"  # noqa: S608 (a key)
    known = {
        "client": world.client.pk, "freelancer": world.freelancer.pk, "message": world.keys["messaging_message"],
        "order": migrated.sql("freelance_platform", completed),
    }  # fmt: skip
    true = {parameter: known[name] for parameter, name in names.items()}
    subject = next(name for name in ("order", "message", "other") if name in true)
    answers = []
    for values in (true, {**true, subject: uuid4()}):
        with as_person(application, world.stranger.pk), pytest.raises(errors.InsufficientPrivilege) as caught:
            application.execute(statement, values)
        answers.append(told(caught.value).replace(str(values[subject]), "…"))
    assert answers[0] == answers[1]
