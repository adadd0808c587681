"""What of a person stands in messages, which are evidence for the other side, and what becomes of it."""

from apps.common.person import Nobody, Personal
from apps.messaging.models import (
    BlockedUser,
    Conversation,
    Message,
    MessageAttachment,
    MessageReaction,
    MessageReport,
    MessageTemplate,
    MessagingStat,
)

SIDES = ("participant_low", "participant_high")
OF_CONVERSATION = tuple(f"conversation__{side}" for side in SIDES)
OF_MESSAGE = tuple(f"message__{path}" for path in OF_CONVERSATION)

DECLARED = (
    Personal(model=MessageReaction, people=("user",), deleted=True),
    Personal(model=MessageTemplate, people=("owner",), deleted=True),
    Personal(model=BlockedUser, people=("blocker",), mentioned=("blocked",), deleted=True),
    Personal(
        model=MessageReport,
        people=("reporter",),
        mentioned=("handled_by", *OF_MESSAGE),
        redacted="details resolution",
        facts="handled_at",
    ),
    Personal(
        model=MessageAttachment,
        people=OF_MESSAGE,
        redacted="file_name",
        # Where the file lies and what tells it from others: it stays with its message.
        facts="position mime_type size_bytes sha256 storage_key",
    ),
    Personal(
        model=Message,
        people=(*OF_CONVERSATION, "sender"),
        redacted="body",
        facts="number read_at recalled_at",
    ),
    Personal(
        model=Conversation,
        people=SIDES,
        facts="last_message_number last_message_at archived_by_low archived_by_high",
    ),
    Nobody(MessagingStat),
)
