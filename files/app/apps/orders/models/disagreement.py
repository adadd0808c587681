"""Orders that do not go as agreed: cancellations and disputes."""

from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone

from apps.common.models import StatefulModel, Transitions
from apps.common.money import are_numbers
from apps.common.texts import LimitedCharField, RuledCharField
from apps.orders.managers import OrderDisputeQuerySet
from apps.orders.models.order import Order


class OrderDispute(StatefulModel):
    """A party asks the platform to decide. Migration orders.0007: only a party, and no refund above the total.

    The decision moves no money by itself: payments.ledger.resolve_dispute does both in one step.
    """

    class Reason(models.TextChoices):
        NOT_DELIVERED = "not_delivered", "未交付"
        LATE = "late", "逾期交付"
        QUALITY = "quality", "质量不符"
        NOT_AS_AGREED = "not_as_agreed", "与约定不符"
        NO_ANSWER = "no_answer", "对方失联"
        OTHER = "other", "其他"

    class Status(models.TextChoices):
        OPEN = "open", "待受理"
        UNDER_REVIEW = "under_review", "处理中"
        RESOLVED = "resolved", "已裁决"
        WITHDRAWN = "withdrawn", "已撤回"

    class Resolution(models.TextChoices):
        REFUND = "refund", "全额退款"
        PARTIAL_REFUND = "partial_refund", "部分退款"
        RELEASE = "release", "付款给自由职业者"
        CONTINUE = "continue", "继续履行"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("open",),
        "open": ("under_review", "withdrawn"),
        "under_review": ("resolved", "withdrawn"),
    }

    # PROTECT (both): how a contract was fought over is kept with it.
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="disputes", verbose_name="订单")
    raised_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="disputes_raised", verbose_name="发起人"
    )
    reason = RuledCharField("原因", max_length=16, choices=Reason)
    description = models.TextField("情况说明", max_length=5000)
    status = RuledCharField("状态", max_length=16, choices=Status, default=Status.OPEN)
    resolution = RuledCharField("裁决", max_length=16, choices=Resolution, blank=True)
    refund_amount = models.DecimalField("退款金额（元）", max_digits=12, decimal_places=2, default=0)
    resolution_note = LimitedCharField("裁决说明", max_length=1000, blank=True)
    # SET_NULL: the case is kept when somebody of the staff leaves.
    handled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="disputes_handled",
        verbose_name="处理人",
    )  # fmt: skip
    closed_at = models.DateTimeField("结案时间", null=True, blank=True)

    objects = OrderDisputeQuerySet.as_manager()

    class Meta:
        verbose_name = "订单争议"
        verbose_name_plural = "订单争议"
        constraints = [
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(status__in=["open", "under_review"]),
                name="orders_orderdispute_one_open_per_order",
                violation_error_message="该订单已有未结案的争议。",
            ),
            models.CheckConstraint(
                condition=Q(reason__in=["not_delivered", "late", "quality", "not_as_agreed", "no_answer", "other"]),
                name="orders_orderdispute_reason_known",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["open", "under_review", "resolved", "withdrawn"]),
                name="orders_orderdispute_status_known",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("description"), 5000) & Q(description__regex=r"^.{10}"),
                name="orders_orderdispute_description_10_to_5000_characters",
            ),
            models.CheckConstraint(
                condition=Q(status="resolved", resolution__in=["refund", "partial_refund", "release", "continue"])
                | (~Q(status="resolved") & Q(resolution="")),
                name="orders_orderdispute_resolution_fits_status",
            ),
            models.CheckConstraint(
                condition=Q(refund_amount=0) & ~Q(resolution__in=["refund", "partial_refund"])
                | Q(refund_amount__gt=0, resolution__in=["refund", "partial_refund"]),
                name="orders_orderdispute_refund_fits_resolution",
            ),
            models.CheckConstraint(
                condition=are_numbers("refund_amount"), name="orders_orderdispute_refund_is_a_number"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["open", "under_review"], closed_at__isnull=True)
                | Q(status__in=["resolved", "withdrawn"], closed_at__isnull=False),
                name="orders_orderdispute_closed_at_fits_status",
            ),
        ]
        indexes = [
            # OrderDisputeQuerySet.waiting.
            models.Index(
                fields=["created_at", "id"],
                name="disputes_waiting_oldest",
                condition=Q(status__in=["open", "under_review"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.get_reason_display()}"

    def close(self, decided_by: UUID) -> None:
        """Save the decision that `resolution` and `refund_amount` hold. Raises IntegrityError where it does not fit."""
        self.status = self.Status.RESOLVED
        self.handled_by_id = decided_by
        self.closed_at = timezone.now()
        self.save(
            update_fields=[
                "status", "resolution", "refund_amount", "resolution_note", "handled_by", "closed_at", "updated_at",
            ]
        )  # fmt: skip


class OrderCancellation(StatefulModel):
    """One party asks to end an order, the other one answers. Migration orders.0007 knows who the parties are."""

    class Reason(models.TextChoices):
        CHANGED_MIND = "changed_mind", "不再需要"
        ORDERED_BY_MISTAKE = "by_mistake", "误下单"
        CANNOT_DELIVER = "cannot_deliver", "无法交付"
        NO_ANSWER = "no_answer", "对方失联"
        BY_AGREEMENT = "by_agreement", "协商一致"
        OTHER = "other", "其他"

    class Status(models.TextChoices):
        REQUESTED = "requested", "待答复"
        ACCEPTED = "accepted", "已同意"
        DECLINED = "declined", "已拒绝"
        WITHDRAWN = "withdrawn", "已撤回"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("requested",),
        "requested": ("accepted", "declined", "withdrawn"),
    }

    # PROTECT (both): the end of a contract is a part of it.
    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="cancellation", verbose_name="订单")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="cancellations_requested",
        verbose_name="申请人",
    )  # fmt: skip
    reason = RuledCharField("原因", max_length=16, choices=Reason)
    note = LimitedCharField("说明", max_length=1000, blank=True)
    status = RuledCharField("状态", max_length=16, choices=Status, default=Status.REQUESTED)
    answer = LimitedCharField("答复", max_length=1000, blank=True)
    answered_at = models.DateTimeField("答复时间", null=True, blank=True)

    class Meta:
        verbose_name = "订单取消"
        verbose_name_plural = "订单取消"
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    reason__in=["changed_mind", "by_mistake", "cannot_deliver", "no_answer", "by_agreement", "other"]
                ),
                name="orders_ordercancellation_reason_known",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["requested", "accepted", "declined", "withdrawn"]),
                name="orders_ordercancellation_status_known",
            ),
            models.CheckConstraint(
                condition=~Q(reason="other") | ~Q(note=""), name="orders_ordercancellation_other_reason_is_told"
            ),
            models.CheckConstraint(
                condition=Q(status="requested", answered_at__isnull=True)
                | (~Q(status="requested") & Q(answered_at__isnull=False)),
                name="orders_ordercancellation_answered_at_fits_status",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.get_status_display()}"
