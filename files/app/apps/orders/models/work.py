"""The work on an order: what is delivered, and what its two parties say to each other."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Length, Now
from django.db.models.lookups import LessThanOrEqual

from apps.common.models import StatefulModel, Transitions, UUIDModel
from apps.common.texts import LimitedURLField, RuledCharField
from apps.orders.managers import DeliveryQuerySet, OrderMessageQuerySet
from apps.orders.models.order import Order


class Delivery(StatefulModel):
    """One hand-over of the freelancer's work, numbered within its order.

    `files` is a list of objects {"name": text, "url": text, "bytes": whole number}, 50 at most. Migration orders.0007
    adds that an order is in work when something is delivered for it.
    """

    class Status(models.TextChoices):
        SUBMITTED = "submitted", "待验收"
        ACCEPTED = "accepted", "已验收"
        REVISION_REQUESTED = "revision_requested", "需修改"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("submitted",),
        "submitted": ("accepted", "revision_requested"),
    }

    # PROTECT: the proof of what was delivered is kept as long as the order.
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="deliveries", verbose_name="订单", db_index=False
    )
    number = models.PositiveSmallIntegerField("交付序号")
    status = RuledCharField("状态", max_length=20, choices=Status, default=Status.SUBMITTED)
    message = models.TextField("交付说明", max_length=5000)
    files = models.JSONField("交付文件", default=list, blank=True)
    feedback = models.TextField("客户意见", max_length=5000, blank=True)
    decided_at = models.DateTimeField("验收时间", null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = "交付"
        verbose_name_plural = "交付"
        constraints = [
            # Its index also finds an order's deliveries, in order.
            models.UniqueConstraint(fields=["order", "number"], name="orders_delivery_number_once_per_order"),
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(status="submitted"),
                name="orders_delivery_one_waits_at_a_time",
                violation_error_message="上一次交付尚未验收。",
            ),
            models.CheckConstraint(condition=Q(number__gte=1, number__lte=200), name="orders_delivery_number_1_to_200"),
            models.CheckConstraint(
                condition=Q(status__in=["submitted", "accepted", "revision_requested"]),
                name="orders_delivery_status_known",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("message"), 5000) & Q(message__regex=r"\S"),
                name="orders_delivery_message_1_to_5000_characters",
            ),
            models.CheckConstraint(
                condition=Func(
                    F("files"),
                    Value(
                        '$.type() == "array" && $.size() <= 50 && !exists($[*] ? (!(@.name.type() == "string"'
                        ' && @.url.type() == "string" && @.bytes.type() == "number" && @.bytes >= 0)))'
                    ),
                    function="jsonb_path_match",
                    output_field=models.BooleanField(),
                ),
                name="orders_delivery_files_have_name_url_bytes",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("feedback"), 5000),
                name="orders_delivery_feedback_at_most_5000_characters",
            ),
            models.CheckConstraint(
                condition=~Q(status="revision_requested") | ~Q(feedback=""), name="orders_delivery_revision_says_what"
            ),
            models.CheckConstraint(
                condition=Q(status="submitted", decided_at__isnull=True)
                | (~Q(status="submitted") & Q(decided_at__isnull=False)),
                name="orders_delivery_decided_at_fits_status",
            ),
        ]
        indexes = [
            # DeliveryQuerySet.unanswered.
            models.Index(fields=["created_at"], name="deliveries_unanswered_oldest", condition=Q(status="submitted")),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} #{self.number}"


class OrderMessage(UUIDModel):
    """What one party of an order says to the other; migration orders.0007 lets nobody else speak."""

    # PROTECT: messages are evidence in a dispute.
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="messages", verbose_name="订单", db_index=False
    )
    # PROTECT: the same; an account is erased by emptying it.
    sender = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="order_messages", verbose_name="发送人"
    )
    body = models.TextField("内容", max_length=5000)
    attachment_url = LimitedURLField("附件", max_length=500, blank=True)
    read_at = models.DateTimeField("已读时间", null=True, blank=True)
    created_at = models.DateTimeField("发送时间", db_default=Now(), editable=False)

    objects = OrderMessageQuerySet.as_manager()

    class Meta:
        verbose_name = "订单留言"
        verbose_name_plural = "订单留言"
        constraints = [
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("body"), 5000) & Q(body__regex=r"\S"),
                name="orders_ordermessage_body_1_to_5000_characters",
            ),
        ]
        indexes = [
            # OrderMessageQuerySet.of_order; also the foreign key's index.
            models.Index(fields=["order", "-created_at", "-id"], name="order_messages_newest"),
            # OrderMessageQuerySet.unread_by.
            models.Index(fields=["order", "sender"], name="order_messages_unread", condition=Q(read_at__isnull=True)),
        ]

    def __str__(self) -> str:
        # Not the body: this text ends up in logs.
        return str(self.pk)
