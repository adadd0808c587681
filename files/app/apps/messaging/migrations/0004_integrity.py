from django.db import migrations

from apps.common.sql import privileges, refusal, refuse_if, row_trigger, status_transitions

ORDER_OF_THE_TWO = refuse_if(
    """NEW.order_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM public.orders_order WHERE id = NEW.order_id
                    AND least(client_id, freelancer_id) = NEW.participant_low_id
                    AND greatest(client_id, freelancer_id) = NEW.participant_high_id)""",
    refusal(
        "messaging_conversation_order_is_between_the_two", "order_id",
        "the order %s is not between %s and %s", "NEW.order_id", "NEW.participant_low_id", "NEW.participant_high_id",
        hint="A conversation about an order has its client and its freelancer as participants.",
    ),
)  # fmt: skip
GIG_OF_ONE = refuse_if(
    """NEW.gig_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM public.gigs_gig WHERE id = NEW.gig_id
                    AND freelancer_id IN (NEW.participant_low_id, NEW.participant_high_id))""",
    refusal(
        "messaging_conversation_gig_is_of_one_of_the_two", "gig_id",
        "the gig %s belongs to neither of the two", "NEW.gig_id",
        hint="A conversation about a gig has its freelancer as a participant.",
    ),
)  # fmt: skip
PAIR_IS_FINAL = refusal(
    "messaging_conversation_people_and_subject_are_final", "participant_low_id",
    "people and subject of the conversation %s cannot change", "OLD.id", hint="Begin another conversation.",
)  # fmt: skip
COUNTED = refusal(
    "messaging_conversation_last_message_is_counted", "last_message_number",
    "the last message of the conversation %s is counted by its messages, not written", "NEW.id",
    hint="Leave last_message_number and last_message_at out, in Django with save(update_fields=...).",
)  # fmt: skip

# The row lock on the conversation puts its messages in a line until each is committed: numbers follow the commits.
LOCK_CONVERSATION = """
            SELECT participant_low_id, participant_high_id INTO talk FROM public.messaging_conversation
                WHERE id = NEW.conversation_id FOR NO KEY UPDATE;"""
SENDER_TAKES_PART = refuse_if(
    "NEW.sender_id NOT IN (talk.participant_low_id, talk.participant_high_id)",
    refusal(
        "messaging_message_sender_takes_part", "sender_id",
        "%s takes no part in the conversation %s", "NEW.sender_id", "NEW.conversation_id",
    ),
)  # fmt: skip
NOBODY_IS_BLOCKED = refuse_if(
    """EXISTS (
                SELECT FROM public.messaging_blockeduser WHERE (blocker_id, blocked_id) IN (
                    (talk.participant_low_id, talk.participant_high_id),
                    (talk.participant_high_id, talk.participant_low_id)))""",
    refusal(
        "messaging_message_nobody_is_blocked", "sender_id",
        "one of the two people of the conversation %s blocked the other", "NEW.conversation_id",
        hint="The one who blocked has to lift it first.",
    ),
)  # fmt: skip
# From the messages themselves: a row that ON CONFLICT skips leaves no gap. Time follows the numbers, too: statements
# may have begun in another order than they got the lock.
TAKE_NUMBER = """
            SELECT number, created_at INTO last FROM public.messaging_message
                WHERE conversation_id = NEW.conversation_id ORDER BY number DESC LIMIT 1;
            NEW.number := coalesce(last.number, 0) + 1;
            NEW.created_at := greatest(NEW.created_at, last.created_at);"""
COUNT = """
            UPDATE public.messaging_conversation
            SET last_message_number = NEW.number, last_message_at = NEW.created_at, updated_at = statement_timestamp(),
                archived_by_low = false, archived_by_high = false
            WHERE id = NEW.conversation_id;"""
TEXT_IS_FINAL = refusal(
    "messaging_message_is_final", "body", "message %s of the conversation %s cannot be rewritten",
    "OLD.number", "OLD.conversation_id", hint="Recall it within two minutes and write another one.",
)  # fmt: skip
# The owner may replace a text: that is how a person's data is erased.
TEXT_CHANGES = """
    (NEW.conversation_id, NEW.number, NEW.sender_id, NEW.created_at)
        IS DISTINCT FROM (OLD.conversation_id, OLD.number, OLD.sender_id, OLD.created_at)
    OR (NEW.body IS DISTINCT FROM OLD.body AND current_user <> 'freelance_owner')
"""
HAS_CONTENT = refuse_if(
    """EXISTS (SELECT FROM public.messaging_message WHERE id = NEW.id AND body = '')
                AND NOT EXISTS (SELECT FROM public.messaging_messageattachment WHERE message_id = NEW.id)""",
    refusal("messaging_message_has_text_or_attachment", "body", "message %s has no text or attachment", "NEW.id"),
)
KEEPS_CONTENT = refuse_if(
    """EXISTS (SELECT FROM public.messaging_message WHERE id = OLD.message_id AND body = '')
                AND NOT EXISTS (SELECT FROM public.messaging_messageattachment WHERE message_id = OLD.message_id)""",
    refusal("messaging_message_has_text_or_attachment", "body", "message %s is left empty", "OLD.message_id"),
)
BY_A_PARTICIPANT = refuse_if(
    """NOT EXISTS (
                SELECT FROM public.messaging_message AS m JOIN public.messaging_conversation AS c
                    ON c.id = m.conversation_id
                WHERE m.id = NEW.message_id AND NEW.user_id IN (c.participant_low_id, c.participant_high_id))""",
    refusal(
        "messaging_messagereaction_user_takes_part", "user_id",
        "%s takes no part in the conversation of the message %s", "NEW.user_id", "NEW.message_id",
    ),
)  # fmt: skip
BY_THE_RECIPIENT = refuse_if(
    """NOT EXISTS (
                SELECT FROM public.messaging_message AS m JOIN public.messaging_conversation AS c
                    ON c.id = m.conversation_id
                WHERE m.id = NEW.message_id AND NEW.reporter_id <> m.sender_id
                    AND NEW.reporter_id IN (c.participant_low_id, c.participant_high_id))""",
    refusal(
        "messaging_messagereport_reporter_got_the_message", "reporter_id",
        "%s did not get the message %s", "NEW.reporter_id", "NEW.message_id",
    ),
)  # fmt: skip
# Waits for messages that are being written, and makes later ones wait: after the block is committed none gets through.
LOCK_CONVERSATIONS_OF_PAIR = """
            PERFORM FROM public.messaging_conversation
                WHERE participant_low_id = least(NEW.blocker_id, NEW.blocked_id)
                    AND participant_high_id = greatest(NEW.blocker_id, NEW.blocked_id)
                ORDER BY id FOR NO KEY UPDATE;"""

REPORT_STEPS = {
    "": ("open",),
    "open": ("reviewing", "upheld", "dismissed"),
    "reviewing": ("open", "upheld", "dismissed"),
}
ATTACHMENT_STEPS = {"": ("pending",), "pending": ("clean", "infected"), "clean": ("infected",)}


class Migration(migrations.Migration):
    dependencies = [("messaging", "0003_safety_and_statistics")]
    operations = [
        row_trigger(
            "messaging_conversation", "messaging_conversation_check_subject", "BEFORE INSERT",
            ORDER_OF_THE_TWO, GIG_OF_ONE,
        ),
        row_trigger(
            "messaging_conversation", "messaging_conversation_keep_pair", "BEFORE UPDATE", PAIR_IS_FINAL,
            when="(NEW.participant_low_id, NEW.participant_high_id, NEW.order_id, NEW.gig_id) IS DISTINCT FROM"
            " (OLD.participant_low_id, OLD.participant_high_id, OLD.order_id, OLD.gig_id)",
        ),
        row_trigger(
            "messaging_conversation", "messaging_conversation_begin_empty", "BEFORE INSERT", COUNTED,
            when="NEW.last_message_number <> 0 OR NEW.last_message_at IS NOT NULL",
        ),
        row_trigger(
            "messaging_conversation", "messaging_conversation_keep_count", "BEFORE UPDATE", COUNTED,
            # The trigger on messages writes one level deeper.
            when="pg_trigger_depth() = 0 AND (NEW.last_message_number, NEW.last_message_at) IS DISTINCT FROM"
            " (OLD.last_message_number, OLD.last_message_at)",
        ),
        row_trigger(
            "messaging_message", "messaging_message_take_number", "BEFORE INSERT",
            LOCK_CONVERSATION, SENDER_TAKES_PART, NOBODY_IS_BLOCKED, TAKE_NUMBER, declare="talk record; last record;",
        ),
        row_trigger("messaging_message", "messaging_message_count", "AFTER INSERT", COUNT),
        row_trigger(
            "messaging_message", "messaging_message_keep_text", "BEFORE UPDATE", TEXT_IS_FINAL, when=TEXT_CHANGES
        ),
        # Asked at the end of the transaction: an attachment can only follow its message.
        row_trigger(
            "messaging_message", "messaging_message_check_content", "AFTER INSERT OR UPDATE DEFERRED",
            HAS_CONTENT, when="NEW.body = ''",
        ),
        row_trigger(
            "messaging_messageattachment", "messaging_messageattachment_keep_content",
            "AFTER DELETE OR UPDATE DEFERRED", KEEPS_CONTENT,
        ),
        row_trigger(
            "messaging_messagereaction", "messaging_messagereaction_check_user",
            "BEFORE INSERT OR UPDATE OF message_id, user_id", BY_A_PARTICIPANT,
        ),
        row_trigger(
            "messaging_messagereport", "messaging_messagereport_check_reporter",
            "BEFORE INSERT OR UPDATE OF message_id, reporter_id", BY_THE_RECIPIENT,
        ),
        row_trigger(
            "messaging_blockeduser", "messaging_blockeduser_wait_for_messages", "BEFORE INSERT",
            LOCK_CONVERSATIONS_OF_PAIR,
        ),
        status_transitions("messaging_messageattachment", ATTACHMENT_STEPS),
        status_transitions("messaging_messagereport", REPORT_STEPS),
        # Evidence: the application adds and changes, it deletes nothing.
        privileges("messaging_conversation", "freelance_user", "SELECT, INSERT, UPDATE"),
        privileges("messaging_message", "freelance_user", "SELECT, INSERT, UPDATE"),
        privileges("messaging_messagereport", "freelance_user", "SELECT, INSERT, UPDATE"),
    ]  # fmt: skip
