"""Messages that break a rule are refused by the database, under a name that says which."""

from datetime import timedelta
from functools import partial
from typing import Any

import factories as make
import factories_people as people
import factories_talk as talk
import pytest
from apps.common.identity import acting_as, acting_as_platform
from apps.messaging.models import (
    BlockedUser,
    Conversation,
    Message,
    MessageReaction,
    MessageReport,
    MessageTemplate,
    MessagingStat,
)
from config.router import all_on
from django.db import IntegrityError, ProgrammingError, connections, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from test_constraints import refused
from test_whose_rows import not_theirs

pytestmark = pytest.mark.usefixtures("database")


def at_the_end_of_the_transaction(action: Any) -> None:
    """Ask now what is asked at the end."""
    action()
    with connections["default"].cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_conversation_is_between_two_people_in_order() -> None:
    low, high = talk.pair()
    pair_in_order = "messaging_conversation_two_people_in_order"
    refused(pair_in_order, lambda: Conversation.objects.create(participant_low=high, participant_high=low))
    refused(pair_in_order, lambda: Conversation.objects.create(participant_low=low, participant_high=low))


def test_two_people_have_one_conversation_about_one_thing() -> None:
    low, high = talk.pair()
    first = talk.conversation(low, high)
    assert talk.conversation(high, low) == first
    refused(
        "messaging_conversation_once_per_pair_and_subject",
        lambda: Conversation.objects.create(participant_low=low, participant_high=high),
    )


def test_a_conversation_about_an_order_is_between_its_parties() -> None:
    order = make.order()
    assert talk.conversation(order.client, order.freelancer, order=order).pk
    refused(
        "messaging_conversation_order_is_between_the_two",
        lambda: talk.conversation(order.client, make.user(), order=order),
    )


def test_a_conversation_about_a_gig_includes_its_freelancer() -> None:
    gig = make.gig()
    assert talk.conversation(gig.freelancer, make.user(), gig=gig).pk
    refused("messaging_conversation_gig_is_of_one_of_the_two", lambda: talk.conversation(gig=gig))


def test_a_conversation_is_about_a_gig_or_an_order_not_both() -> None:
    order = make.order()
    refused(
        "messaging_conversation_about_gig_or_order_not_both",
        lambda: talk.conversation(order.client, order.freelancer, order=order, gig=order.gig),
    )


def test_people_and_subject_of_a_conversation_do_not_change() -> None:
    talking = talk.conversation()
    gig = make.gig(freelancer=talking.participant_low)
    refused(
        "messaging_conversation_people_and_subject_are_final",
        lambda: Conversation.objects.filter(pk=talking.pk).update(gig=gig),
    )


def test_the_last_message_is_counted_not_written() -> None:
    talking = talk.conversation()
    counted = "messaging_conversation_last_message_is_counted"
    refused(
        counted,
        lambda: Conversation.objects.filter(pk=talking.pk).update(last_message_number=9, last_message_at=Now()),
    )
    low, high = talk.pair()
    refused(
        counted,
        lambda: Conversation.objects.create(participant_low=low, participant_high=high, last_message_number=1),
    )


def test_messages_are_numbered_and_the_conversation_knows_the_last_one() -> None:
    talking = talk.conversation()
    written = [talk.message(talking), talk.message(talking, sender_id=talking.participant_high_id, number=77)]
    assert [message.number for message in written] == [1, 2]
    Message.objects.bulk_create(
        [Message(conversation=talking, sender_id=talking.participant_low_id, body=f"第 {n} 条") for n in range(3, 6)]
    )
    talking.refresh_from_db()
    assert list(talking.messages.order_by("number").values_list("number", flat=True)) == [1, 2, 3, 4, 5]
    newest = talking.messages.get(number=5)
    assert (talking.last_message_number, talking.last_message_at) == (5, newest.created_at)


def test_a_message_that_is_there_already_takes_no_number() -> None:
    talking = talk.conversation()
    first = talk.message(talking)
    Message.objects.bulk_create(
        [Message(pk=first.pk, conversation=talking, sender_id=talking.participant_low_id, body="再发一次")],
        ignore_conflicts=True,
    )
    assert talk.message(talking).number == 2


def test_a_new_message_brings_an_archived_conversation_back() -> None:
    talking = talk.conversation()
    reader = talking.participant_high_id
    Conversation.objects.filter(pk=talking.pk).update(archived_by_high=True)
    assert not Conversation.objects.inbox(reader).exists()
    talk.message(talking)
    assert list(Conversation.objects.inbox(reader)) == [talking]


def test_only_the_two_people_write() -> None:
    talking, stranger = talk.conversation(), make.user()
    refused("messaging_message_sender_takes_part", lambda: talk.message(talking, sender_id=stranger.pk))


@pytest.mark.parametrize("blocker", ["participant_low", "participant_high"])
def test_after_a_block_neither_writes(blocker: str) -> None:
    talking = talk.conversation()
    other = {"participant_low": "participant_high", "participant_high": "participant_low"}[blocker]
    block = BlockedUser.objects.create(blocker=getattr(talking, blocker), blocked=getattr(talking, other))
    for person in (talking.participant_low_id, talking.participant_high_id):
        refused("messaging_message_nobody_is_blocked", partial(talk.message, talking, sender_id=person))
    block.delete()
    assert talk.message(talking).number == 1


def test_nobody_blocks_themselves_or_the_same_person_twice() -> None:
    one, other = talk.pair()
    refused("messaging_blockeduser_not_oneself", lambda: BlockedUser.objects.create(blocker=one, blocked=one))
    BlockedUser.objects.create(blocker=one, blocked=other)
    refused("messaging_blockeduser_once", lambda: BlockedUser.objects.create(blocker=one, blocked=other))
    assert BlockedUser.objects.between(other.pk, one.pk).count() == 1


@pytest.mark.parametrize(
    ("constraint", "body"),
    [
        ("messaging_message_body_at_most_5000_characters", "长" * 5001),
        ("messaging_message_body_is_not_only_spaces", " \n "),
    ],
)
def test_message_with_a_bad_text_is_refused(constraint: str, body: str) -> None:
    talking = talk.conversation()
    refused(constraint, lambda: talk.message(talking, body=body))


def test_a_message_has_a_text_or_an_attachment() -> None:
    talking = talk.conversation()
    has_content = "messaging_message_has_text_or_attachment"
    refused(has_content, lambda: at_the_end_of_the_transaction(lambda: talk.message(talking, body="")))
    with transaction.atomic(using="default"):
        file = talk.attachment(talk.message(talking, body=""))
    # What was sent with a message is evidence, as its text is.
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic(using="default"):
        file.delete()


@pytest.mark.usefixtures("owner")
def test_not_even_the_owner_leaves_a_message_empty() -> None:
    with all_on("direct"), connections["direct"].cursor() as cursor:
        talk.attachment(talk.message(body="")).delete()
        with pytest.raises(IntegrityError, match="messaging_message_has_text_or_attachment"):
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_message_is_not_rewritten_or_deleted() -> None:
    message = talk.message()
    rows = Message.objects.filter(pk=message.pk)
    refused("messaging_message_is_final", lambda: rows.update(body="我没有这样说过"))
    refused("messaging_message_is_final", lambda: rows.update(number=F("number") + 1))
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic(using="default"):
        rows._raw_delete("default")


def test_a_recalled_message_keeps_its_text_for_moderation() -> None:
    message = talk.message()
    with acting_as(message.sender_id):
        Message.objects.filter(pk=message.pk).update(recalled_at=Now())
        message.refresh_from_db()
    assert message.text == ""
    assert message.body


@pytest.mark.usefixtures("owner")
def test_a_message_is_recalled_soon_or_not_at_all() -> None:
    # The owner alone says when something was.
    with all_on("direct"):
        rows = Message.objects.filter(pk=talk.message().pk)
        with (
            pytest.raises(IntegrityError, match="messaging_message_recalled_within_2_minutes"),
            transaction.atomic(using="direct"),
        ):
            rows.update(recalled_at=F("created_at") + timedelta(minutes=2, seconds=1))
        assert rows.update(recalled_at=F("created_at") + timedelta(minutes=2)) == 1


def test_a_message_is_read_after_it_was_written_and_by_the_other_one() -> None:
    talking = talk.conversation()
    message = talk.message(talking)
    with acting_as(talking.participant_low_id):
        assert Message.objects.mark_read(talking.participant_low_id, talking) == 0
    with acting_as(talking.participant_high_id):
        refused(
            "messaging_message_read_after_it_was_written",
            lambda: Message.objects.filter(pk=message.pk).update(read_at=F("created_at") - timedelta(seconds=1)),
        )
        assert Message.objects.mark_read(talking.participant_high_id, talking) == 1
    assert not Message.objects.unread_by(talking.participant_high_id, talking).exists()


def test_nobody_but_the_recipient_marks_a_message_as_read_or_unread() -> None:
    message, stranger = talk.message(), make.user()
    rows = Message.objects.filter(pk=message.pk)
    by_the_recipient = "messaging_message_read_at_by_recipient"
    not_theirs(by_the_recipient, message.sender_id, lambda: rows.update(read_at=Now()))
    # For others there is no such message.
    with acting_as(stranger.pk):
        assert rows.update(read_at=Now()) == 0
    with pytest.raises(ProgrammingError, match=by_the_recipient), acting_as_platform():
        rows.update(read_at=Now())
    with acting_as(message.conversation.participant_high_id):
        assert rows.update(read_at=Now()) == 1
    not_theirs(by_the_recipient, message.sender_id, lambda: rows.update(read_at=None))
    with acting_as(message.sender_id):
        # What else is the sender's to change does not ask who read it.
        assert rows.update(recalled_at=F("created_at") + timedelta(minutes=1)) == 1


def test_a_message_is_written_unread() -> None:
    refused("messaging_message_is_written_unread", lambda: talk.message(read_at=timezone.now() + timedelta(days=1)))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("messaging_messageattachment_size_1_byte_to_100_mib", {"size_bytes": 0}),
        ("messaging_messageattachment_size_1_byte_to_100_mib", {"size_bytes": 100 * 1024 * 1024 + 1}),
        ("messaging_messageattachment_mime_type_shape", {"mime_type": "exe"}),
        ("messaging_messageattachment_sha256_shape", {"sha256": "0" * 63 + "G"}),
        ("messaging_messageattachment_file_name_has_no_path", {"file_name": "../../etc/passwd"}),
        ("messaging_messageattachment_file_name_has_no_path", {"file_name": "  "}),
        ("messaging_messageattachment_storage_key_shape", {"storage_key": "/绝对路径"}),
        ("messaging_messageattachment_at_most_9_per_message", {"position": 10}),
    ],
)
def test_attachment_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    message = talk.message()
    refused(constraint, lambda: talk.attachment(message, **fields))


def test_two_attachments_share_neither_place_nor_bytes() -> None:
    first = talk.attachment()
    refused("messaging_messageattachment_position_once_per_message", lambda: talk.attachment(first.message, position=1))
    refused("messaging_messageattachment_storage_key_unique", lambda: talk.attachment(storage_key=first.storage_key))


def test_only_the_two_people_react_once_with_a_known_emoji() -> None:
    message = talk.message()
    reader = message.conversation.participant_high
    MessageReaction.objects.create(message=message, user=reader, emoji="👍")
    MessageReaction.objects.create(message=message, user=reader, emoji="🎉")
    refused(
        "messaging_messagereaction_once_per_user_and_emoji",
        lambda: MessageReaction.objects.create(message=message, user=reader, emoji="👍"),
    )
    refused(
        "messaging_messagereaction_emoji_known",
        lambda: MessageReaction.objects.create(message=message, user=reader, emoji="💣"),
    )
    stranger = make.user()
    refused(
        "messaging_messagereaction_user_takes_part",
        lambda: MessageReaction.objects.create(message=message, user=stranger, emoji="👍"),
    )


def test_only_the_one_who_got_a_message_reports_it_once() -> None:
    message, stranger = talk.message(), make.user()
    for person in (message.sender_id, stranger.pk):
        refused(
            "messaging_messagereport_reporter_got_the_message",
            partial(talk.message_report, message, reporter_id=person),
        )
    report = talk.message_report(message)
    refused("messaging_messagereport_once_per_message_and_reporter", lambda: talk.message_report(message))
    assert report in MessageReport.objects.waiting()


def test_a_report_of_a_message_is_handled_by_the_staff() -> None:
    report = talk.message_report()
    report.handled_by = make.user()
    refused("messaging_messagereport_handled_by_is_staff", report.save)
    report.handled_by = people.staff()
    report.save()


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("messaging_messagereport_reason_known", {"reason": "boredom"}),
        ("messaging_messagereport_details_at_most_1000_characters", {"details": "长" * 1001}),
        ("messaging_messagereport_other_reason_is_explained", {"reason": "other"}),
        ("messaging_messagereport_handled_at_fits_status", {"handled_at": talk.MOMENT}),
    ],
)
def test_report_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    message = talk.message()
    refused(constraint, lambda: talk.message_report(message, **fields))


def test_the_platforms_templates_and_ones_own_have_different_titles() -> None:
    owner = make.user()
    for who in (None, owner):
        MessageTemplate.objects.create(owner=who, occasion="greeting", title="测试问候", body="您好！")
        refused(
            "messaging_messagetemplate_title_once_per_owner",
            partial(MessageTemplate.objects.create, owner=who, occasion="greeting", title="测试问候", body="早！"),
        )
    offered = MessageTemplate.objects.filter(title="测试问候")
    assert offered.offered_to(owner.pk).count() == 2
    assert offered.offered_to(make.user().pk).count() == 1


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("messaging_messagetemplate_occasion_known", {"occasion": "party"}),
        ("messaging_messagetemplate_title_is_not_empty", {"title": " "}),
        ("messaging_messagetemplate_body_1_to_1000_characters", {"body": ""}),
        ("messaging_messagetemplate_body_1_to_1000_characters", {"body": "长" * 1001}),
    ],
)
def test_template_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    row = {"occasion": "greeting", "title": "测试", "body": "您好！", "owner": make.user(), **fields}
    refused(constraint, lambda: MessageTemplate.objects.create(**row))


def test_a_day_has_its_figures_once_and_they_fit_together() -> None:
    MessagingStat.objects.create(day="2025-01-01", messages_sent=3, people_sending=2)
    refused("messaging_messagingstat_once_per_day", lambda: MessagingStat.objects.create(day="2025-01-01"))
    refused(
        "messaging_messagingstat_parts_within_messages_sent",
        lambda: MessagingStat.objects.create(day="2025-01-02", messages_sent=1, people_sending=2),
    )


def test_a_conversation_with_messages_is_not_deleted() -> None:
    message = talk.message()
    with pytest.raises((IntegrityError, ProgrammingError)), transaction.atomic(using="default"):
        message.conversation.delete()


def test_over_long_emoji_is_refused() -> None:
    message = talk.message()
    refused(
        "messaging_messagereaction_emoji_known",
        lambda: MessageReaction.objects.create(message=message, user=message.sender, emoji="👍" * 9),
    )
