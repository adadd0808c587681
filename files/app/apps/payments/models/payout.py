"""Money that leaves the platform: withdrawals, and the batches they are sent to a provider in."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.common.models import StatefulModel, Transitions
from apps.common.money import are_numbers
from apps.common.texts import LimitedCharField, RuledCharField
from apps.payments.managers import WithdrawalQuerySet
from apps.payments.models.method import PaymentMethod
from apps.payments.models.wallet import Transaction


class PayoutBatch(StatefulModel):
    """Withdrawals of one kind that go to the provider together. Only the ledger writes it.

    Count and sum are those of sending; what came of each withdrawal stands there.
    """

    class Status(models.TextChoices):
        SUBMITTED = "submitted", "已提交"
        SETTLED = "settled", "已完成"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("submitted",),
        "submitted": ("settled",),
    }

    kind = RuledCharField("渠道", max_length=16, choices=PaymentMethod.Kind)
    status = RuledCharField("状态", max_length=16, choices=Status, default=Status.SUBMITTED)
    withdrawal_count = models.PositiveIntegerField("笔数")
    total_amount = models.DecimalField("总额（元）", max_digits=12, decimal_places=2)
    currency = RuledCharField("币种", max_length=3, default="CNY", db_default="CNY")
    settled_at = models.DateTimeField("完成时间", null=True, blank=True)

    class Meta:
        verbose_name = "打款批次"
        verbose_name_plural = "打款批次"
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["alipay", "wechat_pay", "unionpay", "bank_card"]),
                name="payments_payoutbatch_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["submitted", "settled"]), name="payments_payoutbatch_status_known"
            ),
            models.CheckConstraint(
                condition=Q(withdrawal_count__gte=1, withdrawal_count__lte=1000),
                name="payments_payoutbatch_holds_1_to_1000",
            ),
            models.CheckConstraint(condition=Q(total_amount__gt=0), name="payments_payoutbatch_total_is_positive"),
            models.CheckConstraint(
                condition=are_numbers("total_amount"), name="payments_payoutbatch_total_is_a_number"
            ),
            models.CheckConstraint(condition=Q(currency="CNY"), name="payments_payoutbatch_currency_is_cny"),
            models.CheckConstraint(
                condition=Q(status="submitted", settled_at__isnull=True)
                | Q(status="settled", settled_at__isnull=False),
                name="payments_payoutbatch_settled_at_fits_status",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.total_amount}"


class Withdrawal(StatefulModel):
    """A person takes money out of their wallet. It leaves the wallet at once and comes back if the payout fails.

    Only the ledger writes it. The foreign key (payment_method_id, user_id) of migration payments.0006 says that the
    account is the person's own.
    """

    class Status(models.TextChoices):
        REQUESTED = "requested", "待打款"
        PROCESSING = "processing", "打款中"
        PAID = "paid", "已到账"
        FAILED = "failed", "打款失败"
        CANCELLED = "cancelled", "已取消"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("requested",),
        "requested": ("processing", "cancelled"),
        "processing": ("paid", "failed"),
    }

    # PROTECT (all five): what the ledger speaks of stays.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="withdrawals", verbose_name="用户",
        db_index=False,
    )  # fmt: skip
    payment_method = models.ForeignKey(
        PaymentMethod, on_delete=models.PROTECT, related_name="withdrawals", verbose_name="收款方式"
    )
    batch = models.ForeignKey(
        PayoutBatch, on_delete=models.PROTECT, null=True, blank=True, related_name="withdrawals",
        verbose_name="打款批次", db_index=False,
    )  # fmt: skip
    transaction = models.OneToOneField(
        Transaction, on_delete=models.PROTECT, related_name="withdrawal", verbose_name="提现流水"
    )
    reversal = models.OneToOneField(
        Transaction, on_delete=models.PROTECT, null=True, blank=True, related_name="withdrawal_returned",
        verbose_name="退回流水",
    )  # fmt: skip
    # The account's kind when it was asked for: batches are made by it.
    kind = RuledCharField("渠道", max_length=16, choices=PaymentMethod.Kind)
    amount = models.DecimalField("金额（元）", max_digits=12, decimal_places=2)
    currency = RuledCharField("币种", max_length=3, default="CNY", db_default="CNY")
    status = RuledCharField("状态", max_length=16, choices=Status, default=Status.REQUESTED)
    # The provider's own number of the payment.
    provider_reference = models.TextField("渠道流水号", max_length=64, null=True, blank=True)
    failure_reason = LimitedCharField("失败原因", max_length=200, blank=True)
    closed_at = models.DateTimeField("完结时间", null=True, blank=True)

    objects = WithdrawalQuerySet.as_manager()

    class Meta:
        verbose_name = "提现"
        verbose_name_plural = "提现"
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "provider_reference"], name="payments_withdrawal_provider_reference_unique"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["alipay", "wechat_pay", "unionpay", "bank_card"]),
                name="payments_withdrawal_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(amount__gte=1, amount__lte=1_000_000), name="payments_withdrawal_amount_1_to_1_million"
            ),
            models.CheckConstraint(condition=Q(currency="CNY"), name="payments_withdrawal_currency_is_cny"),
            models.CheckConstraint(
                condition=Q(status__in=["requested", "processing", "paid", "failed", "cancelled"]),
                name="payments_withdrawal_status_known",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["processing", "paid", "failed"], batch__isnull=False)
                | Q(status__in=["requested", "cancelled"], batch__isnull=True),
                name="payments_withdrawal_batch_fits_status",
            ),
            models.CheckConstraint(
                condition=Q(status="paid", provider_reference__regex=r"^\S{1,64}$")
                | (~Q(status="paid") & Q(provider_reference__isnull=True)),
                name="payments_withdrawal_paid_has_reference",
            ),
            # What is NULL has no shape: the rule above does not refuse it.
            models.CheckConstraint(
                condition=~Q(status="paid") | Q(provider_reference__isnull=False),
                name="payments_withdrawal_paid_under_a_number",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["failed", "cancelled"], reversal__isnull=False)
                | Q(status__in=["requested", "processing", "paid"], reversal__isnull=True),
                name="payments_withdrawal_returned_money_fits_status",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["requested", "processing"], closed_at__isnull=True)
                | Q(status__in=["paid", "failed", "cancelled"], closed_at__gte=F("created_at")),
                name="payments_withdrawal_closed_at_fits_status",
            ),
        ]
        indexes = [
            # WithdrawalQuerySet.of_user; also the foreign key's index.
            models.Index(fields=["user", "-created_at", "-id"], name="withdrawals_of_user_newest"),
            # What the ledger takes into the next batch.
            models.Index(
                fields=["kind", "created_at", "id"], name="withdrawals_to_pay_oldest", condition=Q(status="requested")
            ),
            # WithdrawalQuerySet.of_batch; also the foreign key's index.
            models.Index(fields=["batch", "status"], name="withdrawals_of_batch"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.amount} {self.get_status_display()}"
