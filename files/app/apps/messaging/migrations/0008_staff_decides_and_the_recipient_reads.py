from django.db import migrations

from apps.common.sql import refusal, refuse_if, row_trigger, staff_only

NEW_IS_UNREAD = refusal(
    "messaging_message_is_written_unread", "read_at", "the message of %s is new: nobody has read it yet",
    "NEW.sender_id", hint="Leave read_at out; the recipient marks the message when they read it.",
)  # fmt: skip
BY_THE_RECIPIENT = refuse_if(
    """actor IS NULL OR actor = NEW.sender_id OR NOT EXISTS (
                SELECT FROM public.messaging_conversation
                WHERE id = NEW.conversation_id AND actor IN (participant_low_id, participant_high_id))""",
    refusal(
        "messaging_message_read_by_its_recipient", "read_at",
        "%s did not get the message %s of the conversation %s", "coalesce(actor::text, 'nobody')", "NEW.number",
        "NEW.conversation_id", hint="Act as the person who got the message (app.current_user_id).",
    ),
)  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("messaging", "0007_inbox_indexes")]
    operations = [
        staff_only("messaging_messagereport", "handled_by"),
        # The owner writes what happened long ago: restored or generated data.
        row_trigger(
            "messaging_message", "messaging_message_begin_unread", "BEFORE INSERT", NEW_IS_UNREAD,
            when="NEW.read_at IS NOT NULL AND current_user <> 'freelance_owner'",
        ),
        row_trigger(
            "messaging_message", "messaging_message_check_reader", "BEFORE UPDATE", BY_THE_RECIPIENT,
            declare="actor uuid := nullif(current_setting('app.current_user_id', true), '')::uuid;",
            when="NEW.read_at IS DISTINCT FROM OLD.read_at AND current_user <> 'freelance_owner'",
        ),
    ]  # fmt: skip
