"""Daily figures of money, rolled up from the ledger."""

from django.db import models
from django.db.models import Q

from apps.common.models import TimestampedModel
from apps.common.money import are_numbers
from apps.common.texts import RuledCharField


class PaymentStat(TimestampedModel):
    """The whole platform's money of one day in China, and what it held when the day ended."""

    day = models.DateField("日期")
    deposit_count = models.PositiveIntegerField("充值笔数", default=0)
    payment_count = models.PositiveIntegerField("付款笔数", default=0)
    refund_count = models.PositiveIntegerField("退款笔数", default=0)
    withdrawal_count = models.PositiveIntegerField("提现笔数", default=0)
    # Of the whole platform: 16 digits before the point, where one person's money has 10.
    deposit_amount = models.DecimalField("充值金额（元）", max_digits=18, decimal_places=2, default=0)
    payment_amount = models.DecimalField("付款金额（元）", max_digits=18, decimal_places=2, default=0)
    income_amount = models.DecimalField("放款金额（元）", max_digits=18, decimal_places=2, default=0)
    refund_amount = models.DecimalField("退款金额（元）", max_digits=18, decimal_places=2, default=0)
    fee_amount = models.DecimalField("服务费收入（元）", max_digits=18, decimal_places=2, default=0)
    withdrawal_amount = models.DecimalField("提现金额（元）", max_digits=18, decimal_places=2, default=0)
    wallet_balance = models.DecimalField("日终钱包余额（元）", max_digits=18, decimal_places=2, default=0)
    escrow_balance = models.DecimalField("日终托管余额（元）", max_digits=18, decimal_places=2, default=0)
    currency = RuledCharField("币种", max_length=3, default="CNY", db_default="CNY")

    class Meta:
        verbose_name = "支付日统计"
        verbose_name_plural = "支付日统计"
        constraints = [
            # Its index also finds a span of days.
            models.UniqueConstraint(fields=["day"], name="payments_paymentstat_once_a_day"),
            models.CheckConstraint(
                condition=Q(
                    deposit_amount__gte=0, payment_amount__gte=0, income_amount__gte=0, refund_amount__gte=0,
                    fee_amount__gte=0, withdrawal_amount__gte=0, wallet_balance__gte=0, escrow_balance__gte=0,
                ),
                name="payments_paymentstat_amounts_not_negative",
            ),
            models.CheckConstraint(
                condition=are_numbers(
                    "deposit_amount", "payment_amount", "income_amount", "refund_amount",
                    "fee_amount", "withdrawal_amount", "wallet_balance", "escrow_balance", digits=18,
                ),
                name="payments_paymentstat_amounts_are_numbers",
            ),
            models.CheckConstraint(condition=Q(currency="CNY"), name="payments_paymentstat_currency_is_cny"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return str(self.day)
