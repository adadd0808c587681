"""Money between payment and acceptance, and what of it goes back."""

from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.common.models import StatefulModel, Transitions
from apps.common.money import are_numbers
from apps.common.texts import LimitedCharField, RuledCharField
from apps.orders.models import Order, OrderDispute
from apps.payments.managers import EscrowQuerySet, PaymentRefundQuerySet
from apps.payments.models.wallet import Transaction


class Escrow(StatefulModel):
    """What a client paid for an order and nobody owns yet. Only the ledger writes it.

    amount = held + refunded + released + fee, at every moment.
    """

    class Status(models.TextChoices):
        HELD = "held", "托管中"
        RELEASED = "released", "已放款"
        REFUNDED = "refunded", "已退款"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("held",),
        "held": ("released", "refunded"),
    }

    # PROTECT: what the ledger speaks of stays.
    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="escrow", verbose_name="订单")
    amount = models.DecimalField("托管金额（元）", max_digits=12, decimal_places=2)
    refunded_amount = models.DecimalField("已退金额（元）", max_digits=12, decimal_places=2, default=0)
    # What the freelancer got, the platform's fee already taken off.
    released_amount = models.DecimalField("已放款金额（元）", max_digits=12, decimal_places=2, default=0)
    fee_amount = models.DecimalField("平台服务费（元）", max_digits=12, decimal_places=2, default=0)
    held_amount = models.GeneratedField(
        expression=F("amount") - F("refunded_amount") - F("released_amount") - F("fee_amount"),
        output_field=models.DecimalField(max_digits=12, decimal_places=2), db_persist=True,
        verbose_name="托管余额（元）",
    )  # fmt: skip
    currency = RuledCharField("币种", max_length=3, default="CNY", db_default="CNY")
    status = RuledCharField("状态", max_length=16, choices=Status, default=Status.HELD)
    closed_at = models.DateTimeField("结清时间", null=True, blank=True)

    objects = EscrowQuerySet.as_manager()

    class Meta:
        verbose_name = "托管资金"
        verbose_name_plural = "托管资金"
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=1), name="payments_escrow_amount_at_least_1"),
            models.CheckConstraint(
                condition=Q(refunded_amount__gte=0, released_amount__gte=0, fee_amount__gte=0),
                name="payments_escrow_parts_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(amount__gte=F("refunded_amount") + F("released_amount") + F("fee_amount")),
                name="payments_escrow_gives_no_more_than_it_holds",
            ),
            models.CheckConstraint(
                condition=are_numbers("amount", "refunded_amount", "released_amount", "fee_amount"),
                name="payments_escrow_amounts_are_numbers",
            ),
            models.CheckConstraint(condition=Q(currency="CNY"), name="payments_escrow_currency_is_cny"),
            models.CheckConstraint(
                condition=Q(status__in=["held", "released", "refunded"]), name="payments_escrow_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status="held", released_amount=0, fee_amount=0, closed_at__isnull=True)
                & Q(amount__gt=F("refunded_amount"))
                | Q(status="released", closed_at__isnull=False)
                & Q(amount=F("refunded_amount") + F("released_amount") + F("fee_amount"))
                & Q(amount__gt=F("refunded_amount"))
                | Q(status="refunded", closed_at__isnull=False, amount=F("refunded_amount")),
                name="payments_escrow_parts_fit_status",
            ),
        ]
        indexes = [
            # EscrowQuerySet.held: what the platform owes, by age.
            models.Index(fields=["created_at"], name="escrows_held_oldest", condition=Q(status="held")),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.amount} {self.get_status_display()}"


class PaymentRefund(StatefulModel):
    """Money that goes back from an order's escrow into the client's wallet: asked for here, paid by the ledger.

    Migration payments.0006 adds that a party or the staff asks, and that no more is asked for than was paid.
    """

    class Reason(models.TextChoices):
        CANCELLATION = "cancellation", "订单取消"
        DISPUTE = "dispute", "争议裁决"
        GOODWILL = "goodwill", "主动退款"
        MISTAKE = "mistake", "误付"

    class Status(models.TextChoices):
        REQUESTED = "requested", "待处理"
        COMPLETED = "completed", "已退款"
        REJECTED = "rejected", "已拒绝"
        WITHDRAWN = "withdrawn", "已撤回"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("requested",),
        "requested": ("completed", "rejected", "withdrawn"),
    }

    # PROTECT (all four): what the ledger speaks of stays.
    escrow = models.ForeignKey(
        Escrow, on_delete=models.PROTECT, related_name="refunds", verbose_name="托管资金", db_index=False
    )
    dispute = models.ForeignKey(
        OrderDispute, on_delete=models.PROTECT, null=True, blank=True, related_name="refunds", verbose_name="争议",
        db_index=False,
    )  # fmt: skip
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="refunds_requested", verbose_name="申请人"
    )
    transaction = models.OneToOneField(
        Transaction, on_delete=models.PROTECT, null=True, blank=True, related_name="refund", verbose_name="退款流水"
    )
    amount = models.DecimalField("金额（元）", max_digits=12, decimal_places=2)
    currency = RuledCharField("币种", max_length=3, default="CNY", db_default="CNY")
    reason = RuledCharField("原因", max_length=16, choices=Reason)
    note = LimitedCharField("说明", max_length=500, blank=True)
    status = RuledCharField("状态", max_length=16, choices=Status, default=Status.REQUESTED)
    closed_at = models.DateTimeField("处理时间", null=True, blank=True)

    objects = PaymentRefundQuerySet.as_manager()

    class Meta:
        verbose_name = "退款"
        verbose_name_plural = "退款"
        constraints = [
            # One that was turned down stands in the way of none.
            models.UniqueConstraint(
                fields=["dispute"],
                condition=Q(status__in=["requested", "completed"]),
                name="payments_paymentrefund_one_to_pay_per_dispute",
            ),
            models.CheckConstraint(
                condition=Q(amount__gte=Decimal("0.01")), name="payments_paymentrefund_amount_at_least_a_cent"
            ),
            models.CheckConstraint(condition=are_numbers("amount"), name="payments_paymentrefund_amount_is_a_number"),
            models.CheckConstraint(condition=Q(currency="CNY"), name="payments_paymentrefund_currency_is_cny"),
            models.CheckConstraint(
                condition=Q(reason__in=["cancellation", "dispute", "goodwill", "mistake"]),
                name="payments_paymentrefund_reason_known",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["requested", "completed", "rejected", "withdrawn"]),
                name="payments_paymentrefund_status_known",
            ),
            models.CheckConstraint(
                condition=Q(reason="dispute", dispute__isnull=False) | (~Q(reason="dispute") & Q(dispute__isnull=True)),
                name="payments_paymentrefund_names_its_dispute",
            ),
            models.CheckConstraint(
                condition=Q(status="completed", transaction__isnull=False)
                | (~Q(status="completed") & Q(transaction__isnull=True)),
                name="payments_paymentrefund_completed_moved_money",
            ),
            models.CheckConstraint(
                condition=Q(status="requested", closed_at__isnull=True)
                | (~Q(status="requested") & Q(closed_at__isnull=False)),
                name="payments_paymentrefund_closed_at_fits_status",
            ),
        ]
        indexes = [
            # PaymentRefundQuerySet.of_escrow; also the foreign key's index.
            models.Index(fields=["escrow", "created_at", "id"], name="refunds_of_escrow"),
            # The foreign key's index.
            models.Index(fields=["dispute"], name="refunds_of_dispute"),
            # PaymentRefundQuerySet.waiting.
            models.Index(fields=["created_at", "id"], name="refunds_waiting_oldest", condition=Q(status="requested")),
        ]

    def __str__(self) -> str:
        return f"{self.escrow_id} {self.amount} {self.get_status_display()}"
