"""Wallets and the entries of their ledger."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.common.models import StatefulModel, Transitions, UUIDModel
from apps.common.money import are_numbers
from apps.common.rollup import by_day
from apps.common.texts import LimitedCharField, RuledCharField
from apps.orders.models import Order
from apps.payments.managers import TransactionQuerySet


class Wallet(StatefulModel):
    """A person's money on the platform. Only the ledger writes it, and each change of the balance is a Transaction."""

    class Status(models.TextChoices):
        ACTIVE = "active", "正常"
        FROZEN = "frozen", "已冻结"
        CLOSED = "closed", "已关闭"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("active",),
        "active": ("frozen", "closed"),
        "frozen": ("active", "closed"),
    }

    # PROTECT: money and its owner are kept together.
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="wallet", verbose_name="用户"
    )
    balance = models.DecimalField("余额（元）", max_digits=12, decimal_places=2, default=0, editable=False)
    currency = RuledCharField("币种", max_length=3, default="CNY", db_default="CNY")
    status = RuledCharField("状态", max_length=16, choices=Status, default=Status.ACTIVE)

    class Meta:
        verbose_name = "钱包"
        verbose_name_plural = "钱包"
        constraints = [
            models.CheckConstraint(
                condition=Q(balance__gte=0),
                name="payments_wallet_balance_not_negative",
                violation_error_message="余额不足。",
            ),
            models.CheckConstraint(condition=are_numbers("balance"), name="payments_wallet_balance_is_a_number"),
            models.CheckConstraint(condition=Q(currency="CNY"), name="payments_wallet_currency_is_cny"),
            models.CheckConstraint(
                condition=Q(status__in=["active", "frozen", "closed"]), name="payments_wallet_status_known"
            ),
            models.CheckConstraint(
                condition=~Q(status="closed") | Q(balance=0), name="payments_wallet_closed_is_empty"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.balance} {self.currency}"


class Transaction(UUIDModel):
    """One entry of the ledger. Append-only: writing it moves the balance, a mistake is corrected by another entry."""

    class Kind(models.TextChoices):
        DEPOSIT = "deposit", "充值"
        PAYMENT = "payment", "支付订单"
        INCOME = "income", "订单收入"
        REFUND = "refund", "退款"
        WITHDRAWAL = "withdrawal", "提现"
        REVERSAL = "reversal", "提现退回"
        FEE = "fee", "服务费"
        ADJUSTMENT = "adjustment", "调整"

    # PROTECT: what the ledger speaks of stays.
    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="transactions", verbose_name="钱包", db_index=False
    )
    # PROTECT: the same.
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, null=True, blank=True, related_name="transactions", verbose_name="订单"
    )
    kind = RuledCharField("类型", max_length=16, choices=Kind)
    # Positive into the wallet, negative out of it.
    amount = models.DecimalField("金额（元）", max_digits=12, decimal_places=2)
    currency = RuledCharField("币种", max_length=3, default="CNY", db_default="CNY")
    # Sent by the caller: the same request arriving twice is posted once.
    idempotency_key = RuledCharField("幂等键", max_length=64)
    note = LimitedCharField("备注", max_length=200, blank=True)
    created_at = models.DateTimeField("时间", db_default=Now(), editable=False)

    objects = TransactionQuerySet.as_manager()

    class Meta:
        verbose_name = "交易流水"
        verbose_name_plural = "交易流水"
        constraints = [
            models.UniqueConstraint(fields=["idempotency_key"], name="payments_transaction_posted_once"),
            models.CheckConstraint(
                condition=Q(idempotency_key__regex=r"^\S{8,64}$"), name="payments_transaction_idempotency_key_shape"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["deposit", "income", "refund", "reversal"], amount__gt=0)
                | Q(kind__in=["payment", "withdrawal", "fee"], amount__lt=0)
                | (Q(kind="adjustment") & ~Q(amount=0)),
                name="payments_transaction_sign_fits_known_kind",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["payment", "income", "refund"]) | Q(order__isnull=False),
                name="payments_transaction_names_its_order",
            ),
            models.CheckConstraint(condition=are_numbers("amount"), name="payments_transaction_amount_is_a_number"),
            models.CheckConstraint(condition=Q(currency="CNY"), name="payments_transaction_currency_is_cny"),
        ]
        indexes = [
            # TransactionQuerySet.of_wallet; also the foreign key's index.
            models.Index(fields=["wallet", "-created_at", "-id"], name="transactions_of_wallet_newest"),
            # The daily roll-up.
            by_day("transactions_by_day", "created_at"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount}"
