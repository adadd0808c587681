"""Who talks with whom, and about what."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.common.models import TimestampedModel
from apps.gigs.models import Gig
from apps.messaging.managers import ConversationQuerySet
from apps.orders.models import Order

if TYPE_CHECKING:
    from uuid import UUID


class Conversation(TimestampedModel):
    """Two people talk, about a gig, about an order or about nothing in particular.

    The pair is kept in order (low before high), so that it exists once. Migration messaging.0004 adds what a model
    cannot say: an order or gig concerns the two, and the last message's number and time are the messages' own.
    """

    # PROTECT (all four): what was agreed in writing is evidence in a dispute.
    participant_low = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="conversations_as_low",
        verbose_name="参与者甲", db_index=False,
    )  # fmt: skip
    participant_high = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="conversations_as_high",
        verbose_name="参与者乙", db_index=False,
    )  # fmt: skip
    gig = models.ForeignKey(
        Gig, on_delete=models.PROTECT, null=True, blank=True, related_name="conversations", verbose_name="相关服务"
    )
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, null=True, blank=True, related_name="conversations", verbose_name="相关订单"
    )
    # Counted by the trigger that numbers messages: written by nobody else.
    last_message_number = models.PositiveIntegerField("最新消息序号", db_default=0, editable=False)
    last_message_at = models.DateTimeField("最新消息时间", null=True, blank=True, editable=False)
    archived_by_low = models.BooleanField("甲已归档", default=False)
    archived_by_high = models.BooleanField("乙已归档", default=False)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        verbose_name = "会话"
        verbose_name_plural = "会话"
        constraints = [
            # Its index also finds the conversations of two people, and those of the low side for the inbox.
            models.UniqueConstraint(
                fields=["participant_low", "participant_high", "order", "gig"],
                name="messaging_conversation_once_per_pair_and_subject",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(participant_low__lt=F("participant_high")),
                name="messaging_conversation_two_people_in_order",
                violation_error_message="会话须有两位不同的参与者，并按编号排序。",
            ),
            models.CheckConstraint(
                condition=Q(gig__isnull=True) | Q(order__isnull=True),
                name="messaging_conversation_about_gig_or_order_not_both",
            ),
            models.CheckConstraint(
                condition=Q(last_message_number=0, last_message_at__isnull=True)
                | Q(last_message_number__gt=0, last_message_at__isnull=False),
                name="messaging_conversation_last_message_has_a_time",
            ),
        ]
        indexes = [
            # The high side of ConversationQuerySet.inbox; also the foreign key's index. Without the time of the newest
            # message: an inbox is of two sides, so it is sorted anyway, and a message changes no index here.
            models.Index(fields=["participant_high"], name="conversations_of_high"),
        ]

    def __str__(self) -> str:
        return f"{self.participant_low_id} {self.participant_high_id}"

    @classmethod
    def between(cls, one_id: "UUID", other_id: "UUID", **about: Any) -> "Conversation":
        """Return the conversation of two people about a gig or order, made where it is missing."""
        low, high = sorted([one_id, other_id])
        subject = {"gig": None, "order": None, **about}
        made, _ = cls._default_manager.get_or_create(participant_low_id=low, participant_high_id=high, **subject)
        return made

    def other_than(self, user_id: "UUID") -> "UUID":
        """Return the person on the other side. Raises ValueError for somebody who takes no part."""
        people = {self.participant_low_id: self.participant_high_id, self.participant_high_id: self.participant_low_id}
        if user_id not in people:
            raise ValueError(f"{user_id} takes no part in conversation {self.pk}.")
        return people[user_id]
