"""What of a conversation is whose: who wrote it recalls it, who got it reads it, and nobody changes what was sent."""

from django.db import migrations

from apps.common.parties import PLATFORM, Parties, Side, in_own_name, named
from apps.common.row_security import admits_who_sees
from apps.common.sql import privileges

TALKS = """EXISTS (SELECT FROM public.messaging_conversation
    WHERE id = {row}.conversation_id AND actor IN (participant_low_id, participant_high_id))"""
WROTE = "EXISTS (SELECT FROM public.messaging_message WHERE id = {row}.message_id AND sender_id = actor)"

PARTIES = (
    Parties(
        table="messaging_conversation",
        final="id created_at participant_low_id participant_high_id gig_id order_id last_message_number"
        " last_message_at",
        by={
            named("low_side", "participant_low_id"): "archived_by_low",
            named("high_side", "participant_high_id"): "archived_by_high",
        },
    ),
    Parties(
        table="messaging_message",
        final="id created_at conversation_id sender_id number body",
        by={
            named("sender", "sender_id"): "recalled_at",
            Side(name="recipient", acts=f"actor <> {{row}}.sender_id AND {TALKS}"): "read_at",
        },
        once="recalled_at",
        dated=True,
    ),
    Parties(
        table="messaging_messageattachment",
        final="id created_at message_id position file_name mime_type size_bytes sha256 storage_key",
        # What a scan found is not for who sends the file to say.
        steps={PLATFORM: "pending>clean pending>infected clean>infected"},
        new={Side(name="sender", acts=WROTE): "true"},
    ),
)


class Migration(migrations.Migration):
    dependencies = [("messaging", "0013_days"), ("accounts", "0014_row_security")]
    operations = [
        *(parties.triggers() for parties in PARTIES),
        # Evidence, as the message that it belongs to.
        privileges("messaging_messageattachment", "freelance_user", "SELECT, INSERT, UPDATE"),
        in_own_name("messaging_conversation", "participant_low_id", "participant_high_id"),
        in_own_name("messaging_messagereaction", "user_id"),
        in_own_name("messaging_messagereport", "reporter_id"),
        in_own_name("messaging_blockeduser", "blocker_id"),
        admits_who_sees("messaging_message", "messaging_messagereaction", "message"),
        admits_who_sees("messaging_message", "messaging_messagereport", "message"),
    ]
