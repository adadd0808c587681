"""Daily figures of messages."""

from apps.common.rollup import RollUp, on_the_day

MESSAGES = RollUp.upsert(
    table="messaging_messagingstat",
    keys=("day",),
    figures=(
        "conversations_started", "conversations_active", "messages_sent", "messages_recalled", "attachments_sent",
        "attachments_bytes", "people_sending", "people_blocked", "reports_filed", "first_reply_seconds",
    ),
    # Conversations whose first message is of this day, answered on whatever day.
    select=f"""
        WITH messages AS (
            SELECT count(DISTINCT conversation_id) AS conversations, count(*) AS sent, count(recalled_at) AS recalled,
                count(DISTINCT sender_id) AS people
            FROM messaging_message WHERE {on_the_day("created_at")}),
        attachments AS (
            SELECT count(*) AS sent, coalesce(sum(size_bytes), 0) AS bytes
            FROM messaging_messageattachment WHERE {on_the_day("created_at")}),
        replies AS (
            SELECT percentile_cont(0.5) WITHIN GROUP (
                ORDER BY extract(epoch FROM reply.created_at - first.created_at)::double precision) AS median_seconds
            FROM messaging_message AS first CROSS JOIN LATERAL (
                SELECT created_at FROM messaging_message
                WHERE conversation_id = first.conversation_id AND sender_id <> first.sender_id
                ORDER BY number LIMIT 1) AS reply
            WHERE first.number = 1 AND {on_the_day("first.created_at")})
        SELECT %(day)s, (SELECT count(*) FROM messaging_conversation WHERE {on_the_day("created_at")}),
            conversations, messages.sent, recalled, attachments.sent, bytes, people,
            (SELECT count(*) FROM messaging_blockeduser WHERE {on_the_day("created_at")}),
            (SELECT count(*) FROM messaging_messagereport WHERE {on_the_day("created_at")}), median_seconds
        FROM messages, attachments, replies""",  # noqa: S608 (a condition of this application)
)  # fmt: skip

ROLL_UPS = (MESSAGES,)
