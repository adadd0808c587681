"""What is said, with its attachments and reactions."""

from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from apps.common.models import StatefulModel, TimestampedModel, Transitions
from apps.common.rollup import by_day
from apps.common.texts import LimitedCharField, RuledCharField
from apps.messaging.managers import MessageQuerySet
from apps.messaging.models.conversation import Conversation

ATTACHMENT_BYTES_MAX = 100 * 1024 * 1024
ATTACHMENTS_MAX = 9
RECALL_WITHIN = timedelta(minutes=2)


class Message(TimestampedModel):
    """One message. Its number is given by the database: gapless per conversation, in the order of commits.

    Migrations messaging.0004 and 0008 add what a model cannot say: the sender takes part, neither blocked the other,
    the text is final, only the recipient marks it as read, and a message without text has an attachment when the
    transaction ends.
    """

    # PROTECT (both): what was agreed in writing is evidence in a dispute.
    conversation = models.ForeignKey(
        Conversation, on_delete=models.PROTECT, related_name="messages", verbose_name="会话", db_index=False
    )
    sender = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="messages_sent", verbose_name="发送人",
        db_index=False,
    )  # fmt: skip
    number = models.PositiveIntegerField("序号", db_default=0, editable=False)
    body = models.TextField("内容", max_length=5000, blank=True)
    read_at = models.DateTimeField("已读时间", null=True, blank=True)
    # The text stays for moderation; `text` shows none of it.
    recalled_at = models.DateTimeField("撤回时间", null=True, blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = "消息"
        verbose_name_plural = "消息"
        constraints = [
            # MessageQuerySet.page_before; also the foreign key's index.
            models.UniqueConstraint(
                fields=["conversation", "number"], name="messaging_message_number_unique_in_conversation"
            ),
            models.CheckConstraint(condition=Q(number__gte=1), name="messaging_message_number_from_1"),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("body"), 5000), name="messaging_message_body_at_most_5000_characters"
            ),
            models.CheckConstraint(
                condition=Q(body="") | Q(body__regex=r"\S"), name="messaging_message_body_is_not_only_spaces"
            ),
            models.CheckConstraint(
                condition=Q(read_at__gte=F("created_at")), name="messaging_message_read_after_it_was_written"
            ),
            models.CheckConstraint(
                condition=Q(recalled_at__gte=F("created_at"), recalled_at__lte=F("created_at") + RECALL_WITHIN),
                name="messaging_message_recalled_within_2_minutes",
                violation_error_message="消息发出超过 2 分钟后不能撤回。",
            ),
        ]
        indexes = [
            # MessageQuerySet.since.
            models.Index(fields=["conversation", "created_at", "id"], name="messages_of_conversation"),
            # MessageQuerySet.unread_by.
            models.Index(fields=["conversation", "sender"], name="messages_unread", condition=Q(read_at__isnull=True)),
            # MessageQuerySet.sent_by; also the foreign key's index.
            models.Index(fields=["sender", "-created_at", "-id"], name="messages_sent_newest"),
            # The daily roll-up.
            by_day("messages_by_day", "created_at"),
        ]

    def __str__(self) -> str:
        # No text: this ends up in logs.
        return f"{self.conversation_id} {self.number}"

    @property
    def text(self) -> str:
        """What the two people see; nothing after a recall."""
        return "" if self.recalled_at else self.body


class MessageAttachment(StatefulModel):
    """A file of a message; the bytes lie in object storage. It is shown when the scan found nothing."""

    class Status(models.TextChoices):
        PENDING = "pending", "待扫描"
        CLEAN = "clean", "安全"
        INFECTED = "infected", "含恶意内容"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("pending",),
        "pending": ("clean", "infected"),
        # Scanners learn: what was clean may be found out later.
        "clean": ("infected",),
    }

    # CASCADE: an attachment is a part of its message.
    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, related_name="attachments", verbose_name="消息", db_index=False
    )
    position = models.PositiveSmallIntegerField("顺序", default=1)
    file_name = LimitedCharField("文件名", max_length=255)
    mime_type = LimitedCharField("文件类型", max_length=100)
    size_bytes = models.PositiveIntegerField("大小（字节）")
    sha256 = RuledCharField("SHA-256 摘要", max_length=64)
    storage_key = LimitedCharField("存储位置", max_length=500)
    status = RuledCharField("扫描状态", max_length=16, choices=Status, default=Status.PENDING)

    class Meta:
        verbose_name = "消息附件"
        verbose_name_plural = "消息附件"
        ordering = ["position"]
        constraints = [
            # Its index also finds a message's attachments.
            models.UniqueConstraint(
                fields=["message", "position"], name="messaging_messageattachment_position_once_per_message"
            ),
            models.UniqueConstraint(fields=["storage_key"], name="messaging_messageattachment_storage_key_unique"),
            models.CheckConstraint(
                condition=Q(position__gte=1, position__lte=ATTACHMENTS_MAX),
                name="messaging_messageattachment_at_most_9_per_message",
            ),
            models.CheckConstraint(
                condition=Q(file_name__regex=r"^[^/\\\x01-\x1f]*[^/\\\s\x01-\x1f][^/\\\x01-\x1f]*$"),
                name="messaging_messageattachment_file_name_has_no_path",
            ),
            models.CheckConstraint(
                condition=Q(mime_type__regex=r"^(application|audio|image|text|video)/[a-z0-9][a-z0-9.+-]*$"),
                name="messaging_messageattachment_mime_type_shape",
            ),
            models.CheckConstraint(
                condition=Q(size_bytes__gte=1, size_bytes__lte=ATTACHMENT_BYTES_MAX),
                name="messaging_messageattachment_size_1_byte_to_100_mib",
                violation_error_message="附件不能为空，且不能超过 100 MB。",
            ),
            models.CheckConstraint(
                condition=Q(sha256__regex=r"^[0-9a-f]{64}$"), name="messaging_messageattachment_sha256_shape"
            ),
            models.CheckConstraint(
                condition=Q(storage_key__regex=r"^[A-Za-z0-9][A-Za-z0-9/_.-]*$"),
                name="messaging_messageattachment_storage_key_shape",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "clean", "infected"]),
                name="messaging_messageattachment_status_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} {self.position}"


class MessageReaction(TimestampedModel):
    """A person's emoji under a message. Only the two people of the conversation react (migration messaging.0004)."""

    class Emoji(models.TextChoices):
        THUMBS_UP = "👍", "赞"
        HEART = "❤️", "喜欢"
        LAUGH = "😄", "开心"
        CELEBRATE = "🎉", "庆祝"
        THANKS = "🙏", "感谢"
        EYES = "👀", "已看到"
        DONE = "✅", "已完成"
        SAD = "😢", "难过"

    # CASCADE: a reaction is a part of its message.
    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, related_name="reactions", verbose_name="消息", db_index=False
    )
    # CASCADE: without the person it says nothing.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="message_reactions", verbose_name="用户"
    )
    emoji = RuledCharField("表情", max_length=8, choices=Emoji)

    class Meta:
        verbose_name = "消息表情"
        verbose_name_plural = "消息表情"
        constraints = [
            # Its index also finds a message's reactions.
            models.UniqueConstraint(
                fields=["message", "user", "emoji"], name="messaging_messagereaction_once_per_user_and_emoji"
            ),
            models.CheckConstraint(
                condition=Q(emoji__in=["👍", "❤️", "😄", "🎉", "🙏", "👀", "✅", "😢"]),
                name="messaging_messagereaction_emoji_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} {self.emoji}"
