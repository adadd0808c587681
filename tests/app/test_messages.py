"""Messages written by real parallel connections: numbers without gaps in the order of commits, blocks that hold."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from uuid import UUID

import factories as make
import factories_talk as talk
import pytest
from apps.messaging.models import BlockedUser, Conversation, Message
from concurrency import act_for_nobody, act_for_the_platform, at_once, until_somebody_waits
from django.db import IntegrityError, transaction
from django.db.models import Count, Max

WRITERS = 4
MESSAGES_EACH = 25


@pytest.fixture
def talking(migrated: object) -> Iterator[Conversation]:  # noqa: ARG001 (it comes first)
    """A committed conversation: several connections have to see it. Its rows stay, evidence is not deleted."""
    act_for_the_platform()
    yield talk.conversation()
    act_for_nobody()


def closing(action: Callable[[], None]) -> Callable[[], None]:
    """Return the action for a thread of its own, whose connection ends with it."""

    def run() -> None:
        try:
            act_for_the_platform()
            action()
        finally:
            act_for_nobody()

    return run


def test_numbers_have_no_gap_and_follow_the_commits(talking: Conversation) -> None:
    people = [talking.participant_low_id, talking.participant_high_id]
    together, writing = threading.Barrier(WRITERS + 1), threading.Event()
    snapshots: list[tuple[int, int]] = []

    def write(sender: UUID) -> None:
        together.wait(timeout=20)
        for number in range(MESSAGES_EACH):
            talk.message(talking, sender_id=sender, body=f"第 {number} 条")
            # What is rolled back takes no number.
            with transaction.atomic(using="default"):
                talk.message(talking, sender_id=sender, body="写了又不发")
                transaction.set_rollback(True, using="default")

    def watch() -> None:
        together.wait(timeout=20)
        while not writing.is_set():
            seen = Message.objects.using("default").filter(conversation=talking)
            figures = seen.aggregate(count=Count("id"), newest=Max("number"))
            snapshots.append((figures["count"], figures["newest"] or 0))

    watcher = threading.Thread(target=closing(watch))
    watcher.start()
    try:
        at_once(*(partial(write, people[n % 2]) for n in range(WRITERS)))
    finally:
        writing.set()
        watcher.join(timeout=60)
    # Whoever reads "everything after number n" misses nothing, at any moment.
    assert len(snapshots) > 1
    assert all(count == newest for count, newest in snapshots)
    rows = list(Message.objects.using("default").filter(conversation=talking).order_by("number"))
    assert [row.number for row in rows] == list(range(1, WRITERS * MESSAGES_EACH + 1))
    assert [row.created_at for row in rows] == sorted(row.created_at for row in rows)
    found = Conversation.objects.using("default").get(pk=talking.pk)
    assert (found.last_message_number, found.last_message_at) == (len(rows), rows[-1].created_at)


def test_a_message_waits_for_a_block_and_is_then_refused(talking: Conversation) -> None:
    blocked, outcomes = threading.Event(), []

    def block() -> None:
        with transaction.atomic(using="default"):
            BlockedUser.objects.create(blocker_id=talking.participant_high_id, blocked_id=talking.participant_low_id)
            blocked.set()
            until_somebody_waits()

    def write() -> None:
        assert blocked.wait(timeout=20)
        try:
            talk.message(talking)
            outcomes.append("sent")
        except IntegrityError as error:
            outcomes.append("refused" if "messaging_message_nobody_is_blocked" in str(error) else str(error))

    at_once(block, write)
    assert outcomes == ["refused"]
    assert not Message.objects.using("default").filter(conversation=talking).exists()


def test_two_people_who_begin_to_talk_at_once_get_one_conversation(migrated: object) -> None:  # noqa: ARG001 (it comes first)
    one, other = make.user(), make.user()
    act_for_nobody()
    together, made = threading.Barrier(2), []

    def begin(first: UUID, second: UUID) -> None:
        together.wait(timeout=20)
        made.append(Conversation.between(first, second).pk)

    at_once(partial(begin, one.pk, other.pk), partial(begin, other.pk, one.pk))
    assert len(made) == 2
    assert len(set(made)) == 1
