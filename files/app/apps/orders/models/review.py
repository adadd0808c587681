"""Requests for a review; the review itself belongs to another app."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.common.models import StatefulModel, Transitions
from apps.common.texts import LimitedCharField, RuledCharField
from apps.orders.managers import OrderReviewQuerySet
from apps.orders.models.order import Order


class OrderReview(StatefulModel):
    """One party of a completed order asks the other for a review. Migration orders.0007 checks both and the order."""

    class Status(models.TextChoices):
        REQUESTED = "requested", "待评价"
        REVIEWED = "reviewed", "已评价"
        DECLINED = "declined", "不评价"
        EXPIRED = "expired", "已过期"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("requested",),
        "requested": ("reviewed", "declined", "expired"),
    }

    # CASCADE: a request has no value beyond its order.
    order = models.ForeignKey(
        Order, on_delete=models.CASCADE, related_name="review_requests", verbose_name="订单", db_index=False
    )
    # PROTECT (both): parties of an order stay as long as it.
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews_asked_for", verbose_name="邀请人"
    )
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="review_requests", verbose_name="评价人",
        db_index=False,
    )  # fmt: skip
    status = RuledCharField("状态", max_length=16, choices=Status, default=Status.REQUESTED)
    message = LimitedCharField("附言", max_length=500, blank=True)
    reminders = models.PositiveSmallIntegerField("提醒次数", default=0)
    reminded_at = models.DateTimeField("最近提醒时间", null=True, blank=True)
    expires_at = models.DateTimeField("截止时间")

    objects = OrderReviewQuerySet.as_manager()

    class Meta:
        verbose_name = "评价请求"
        verbose_name_plural = "评价请求"
        constraints = [
            # Its index also finds an order's requests.
            models.UniqueConstraint(fields=["order", "reviewer"], name="orders_orderreview_asked_once_per_party"),
            models.CheckConstraint(
                condition=~Q(requested_by=F("reviewer")), name="orders_orderreview_asks_the_other_party"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["requested", "reviewed", "declined", "expired"]),
                name="orders_orderreview_status_known",
            ),
            models.CheckConstraint(
                condition=Q(reminders=0, reminded_at__isnull=True)
                | Q(reminders__gte=1, reminders__lte=3, reminded_at__isnull=False),
                name="orders_orderreview_reminders_at_most_3",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="orders_orderreview_expires_after_request"
            ),
        ]
        indexes = [
            # OrderReviewQuerySet.of_reviewer; also the foreign key's index.
            models.Index(fields=["reviewer", "status", "-created_at", "-id"], name="review_requests_of_reviewer"),
            # OrderReviewQuerySet.run_out.
            models.Index(fields=["expires_at"], name="review_requests_run_out", condition=Q(status="requested")),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} > {self.reviewer_id}"
