"""Figures of a day."""

from django.db import models
from django.db.models import F, Q

from apps.common.models import TimestampedModel


class MessagingStat(TimestampedModel):
    """The whole platform's messages of one day in China, filled by `roll_up_statistics`."""

    day = models.DateField("日期")
    conversations_started = models.PositiveIntegerField("新会话数", default=0)
    conversations_active = models.PositiveIntegerField("活跃会话数", default=0)
    messages_sent = models.PositiveBigIntegerField("消息数", default=0)
    messages_recalled = models.PositiveIntegerField("撤回消息数", default=0)
    attachments_sent = models.PositiveIntegerField("附件数", default=0)
    attachments_bytes = models.PositiveBigIntegerField("附件总大小（字节）", default=0)
    people_sending = models.PositiveIntegerField("发送人数", default=0)
    people_blocked = models.PositiveIntegerField("屏蔽次数", default=0)
    reports_filed = models.PositiveIntegerField("举报数", default=0)
    # Median over the day's conversations that got an answer; NULL where none did.
    first_reply_seconds = models.PositiveIntegerField("首次回复时间（秒，中位数）", null=True, blank=True)

    class Meta:
        verbose_name = "消息日统计"
        verbose_name_plural = "消息日统计"
        constraints = [
            models.UniqueConstraint(fields=["day"], name="messaging_messagingstat_once_per_day"),
            models.CheckConstraint(
                condition=Q(messages_recalled__lte=F("messages_sent"), people_sending__lte=F("messages_sent")),
                name="messaging_messagingstat_parts_within_messages_sent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}"
