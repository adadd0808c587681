"""How a person pays and is paid."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.validators import validate_account_number, validate_not_blank
from apps.common.encryption.fields import EncryptedModel, EncryptedTextField, IsSealed, SealedShape
from apps.common.models import StatefulModel, Transitions
from apps.common.texts import LimitedCharField, RuledCharField
from apps.payments.managers import PaymentMethodQuerySet

CHARACTERS_TO_SHOW_FOUR = 8


class PaymentMethod(EncryptedModel, StatefulModel):
    """One account of a person with a payment provider: `account_number` is encrypted, the rest may be shown."""

    class Kind(models.TextChoices):
        ALIPAY = "alipay", "支付宝"
        WECHAT_PAY = "wechat_pay", "微信支付"
        UNIONPAY = "unionpay", "银联"
        BANK_CARD = "bank_card", "银行卡"

    class Status(models.TextChoices):
        UNVERIFIED = "unverified", "待验证"
        ACTIVE = "active", "可用"
        DISABLED = "disabled", "已停用"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("unverified",),
        "unverified": ("active", "disabled"),
        "active": ("disabled",),
        "disabled": ("unverified",),
    }

    # PROTECT: withdrawals say where money went; an account is erased by emptying it.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="payment_methods", verbose_name="用户",
        db_index=False,
    )  # fmt: skip
    kind = RuledCharField("类型", max_length=16, choices=Kind)
    label = LimitedCharField("名称", max_length=50, blank=True)
    # Where withdrawals go: number of the card, or name of the account.
    account_number = EncryptedTextField(
        "账号", max_length=100, db_column="account_number_sealed", validators=[validate_account_number]
    )
    holder_name = EncryptedTextField(
        "户名", max_length=50, db_column="holder_name_sealed", validators=[validate_not_blank]
    )
    # Enough for the person to tell their accounts apart.
    last_characters = RuledCharField("账号末四位", max_length=4)
    # 中国人民银行 financial institution code, 12 digits; of bank cards only.
    bank_code = RuledCharField("联行号", max_length=12, blank=True)
    bank_name = LimitedCharField("开户银行", max_length=60, blank=True)
    status = RuledCharField("状态", max_length=16, choices=Status, default=Status.UNVERIFIED)
    is_default = models.BooleanField("默认", default=False)
    verified_at = models.DateTimeField("验证时间", null=True, blank=True)

    objects = PaymentMethodQuerySet.as_manager()

    class Meta:
        verbose_name = "支付方式"
        verbose_name_plural = "支付方式"
        constraints = [
            # Target of the foreign key that says whose account a withdrawal goes to; its index does not serve a query.
            models.UniqueConstraint(fields=["id", "user"], name="payments_paymentmethod_id_and_user"),
            models.UniqueConstraint(
                fields=["user"], condition=Q(is_default=True), name="payments_paymentmethod_one_default_per_user"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["alipay", "wechat_pay", "unionpay", "bank_card"]),
                name="payments_paymentmethod_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["unverified", "active", "disabled"]),
                name="payments_paymentmethod_status_known",
            ),
            SealedShape(
                condition=IsSealed("account_number", 100), name="payments_paymentmethod_account_number_is_sealed"
            ),
            SealedShape(condition=IsSealed("holder_name", 50), name="payments_paymentmethod_holder_name_is_sealed"),
            models.CheckConstraint(
                condition=Q(last_characters__regex=r"^\S{4}$"), name="payments_paymentmethod_shows_four_characters"
            ),
            models.CheckConstraint(
                condition=Q(kind="bank_card", bank_code__regex=r"^[0-9]{12}$") & ~Q(bank_name="")
                | (~Q(kind="bank_card") & Q(bank_code="", bank_name="")),
                name="payments_paymentmethod_bank_fits_kind",
                violation_error_message="银行卡须有 12 位联行号和开户银行，其他方式不填。",
            ),
            models.CheckConstraint(
                condition=~Q(status="active") | Q(verified_at__isnull=False),
                name="payments_paymentmethod_active_is_verified",
            ),
            models.CheckConstraint(
                condition=Q(is_default=False) | Q(status="active"), name="payments_paymentmethod_default_is_active"
            ),
        ]
        indexes = [
            # PaymentMethodQuerySet.usable_by; also the foreign key's index.
            models.Index(fields=["user", "status", "-is_default"], name="payment_methods_of_user"),
        ]

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Show the end of an account that is long enough to stay secret without it."""
        if "account_number" not in self.get_deferred_fields() and self.account_number:
            number = str(self.account_number)
            self.last_characters = number[-4:] if len(number) >= CHARACTERS_TO_SHOW_FOUR else "****"
            if update_fields is not None:
                update_fields = {*update_fields, "last_characters"}
        super().save(*args, update_fields=update_fields, **kwargs)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} *{self.last_characters}"
