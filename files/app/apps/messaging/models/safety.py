"""Protection of people from each other: blocks and reports."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.common.models import TimestampedModel
from apps.common.reports import Report, ReportQuerySet
from apps.common.texts import LimitedCharField
from apps.messaging.managers import BlockedUserQuerySet
from apps.messaging.models.message import Message


class BlockedUser(TimestampedModel):
    """One person wants no messages from another; from then on neither writes to the other."""

    # CASCADE (both): without either of the two it has no effect.
    blocker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="blocks_made", verbose_name="屏蔽人",
        db_index=False,
    )  # fmt: skip
    blocked = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="blocks_received", verbose_name="被屏蔽人"
    )
    note = LimitedCharField("备注", max_length=200, blank=True)

    objects = BlockedUserQuerySet.as_manager()

    class Meta:
        verbose_name = "屏蔽用户"
        verbose_name_plural = "屏蔽用户"
        constraints = [
            # BlockedUserQuerySet.between.
            models.UniqueConstraint(fields=["blocker", "blocked"], name="messaging_blockeduser_once"),
            models.CheckConstraint(
                condition=~Q(blocker=F("blocked")),
                name="messaging_blockeduser_not_oneself",
                violation_error_message="不能屏蔽自己。",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.blocker_id} {self.blocked_id}"


class MessageReport(Report):
    """A message breaks the rules, says the person who got it. Migrations messaging.0004 and 0008 hold that, and that
    who handles it is staff."""

    # PROTECT: what was reported is evidence.
    message = models.ForeignKey(
        Message, on_delete=models.PROTECT, related_name="reports", verbose_name="消息", db_index=False
    )

    objects = ReportQuerySet.as_manager()

    class Meta(Report.Meta):
        verbose_name = "消息举报"
        verbose_name_plural = "消息举报"
        constraints = [
            *Report.Meta.constraints,
            # Its index also finds a message's reports.
            models.UniqueConstraint(
                fields=["message", "reporter"], name="messaging_messagereport_once_per_message_and_reporter"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} {self.get_reason_display()}"
