"""A conversation is seen by the two who talk, and what is said in it by who sees the conversation."""

from django.db import migrations

from apps.common.row_security import ME, PLATFORM, admits_who_sees, own, row_security, seen
from apps.common.sql import privileges

# Who sent a message takes part in its conversation for ever (0004): one's own half of a page is seen without asking.
OF_CONVERSATION = f"sender_id = {ME} OR {seen('messaging_conversation', 'messaging_message', 'conversation_id')}"


def of_message(table: str) -> str:
    return seen("messaging_message", table, "message_id")


# Files are added and taken away by who sends them.
OF_OWN_MESSAGE = f"""EXISTS (SELECT FROM public.messaging_message AS parent
    WHERE parent.id = messaging_messageattachment.message_id AND ({own("parent.sender_id")}))"""


class Migration(migrations.Migration):
    dependencies = [("messaging", "0009_audit"), ("orders", "0014_row_security")]
    operations = [
        row_security("messaging_conversation", {"ALL": own("participant_low_id", "participant_high_id")}),
        row_security(
            "messaging_message",
            {
                "SELECT": OF_CONVERSATION,
                # That the conversation is theirs is asked before it, by `admits_who_sees` below.
                "INSERT": own("sender_id"),
                # The other person marks it as read.
                "UPDATE": OF_CONVERSATION,
            },
        ),
        row_security(
            "messaging_messageattachment",
            {
                "SELECT": of_message("messaging_messageattachment"),
                "INSERT": OF_OWN_MESSAGE,
                "UPDATE": OF_OWN_MESSAGE,
                "DELETE": OF_OWN_MESSAGE,
            },
        ),
        row_security(
            "messaging_messagereaction",
            {
                "SELECT": of_message("messaging_messagereaction"),
                "INSERT": own("user_id"),
                "UPDATE": own("user_id"),
                "DELETE": own("user_id"),
            },
        ),
        # Nobody learns here by whom they are blocked.
        row_security("messaging_blockeduser", {"ALL": own("blocker_id")}),
        # A report is decided by the platform.
        row_security(
            "messaging_messagereport",
            {"SELECT": own("reporter_id"), "INSERT": own("reporter_id"), "UPDATE": PLATFORM},
        ),
        row_security(
            "messaging_messagetemplate",
            {
                "SELECT": f"owner_id IS NULL OR {own('owner_id')}",
                "INSERT": own("owner_id"),
                "UPDATE": own("owner_id"),
                "DELETE": own("owner_id"),
            },
        ),
        admits_who_sees("messaging_conversation", "messaging_message", "conversation"),
        # Reports count messages, they do not read them.
        privileges("messaging_message", "reporting_user", "SELECT", except_columns=["body"]),
    ]
