"""That people are who they say, seen by staff."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.lookups import Exact

from apps.accounts.managers import UserVerificationQuerySet
from apps.accounts.models.user import User
from apps.accounts.validators import validate_identity_number, validate_not_blank
from apps.common.encryption.fields import (
    BlindIndexField,
    EncryptedModel,
    EncryptedTextField,
    IsIndexed,
    IsSealed,
    SealedShape,
)
from apps.common.expressions import JsonbTypeof
from apps.common.models import StatefulModel, Transitions
from apps.common.texts import LimitedCharField, RuledCharField


class UserVerification(EncryptedModel, StatefulModel):
    """One attempt of a person to prove one thing. Private: the person and the staff who decide see it.

    Migration accounts.0004 adds what a model cannot say: the reviewer is staff.
    """

    class Kind(models.TextChoices):
        REAL_NAME = "real_name", "实名认证"
        ENTERPRISE = "enterprise", "企业认证"
        EDUCATION = "education", "学历认证"
        BANK_CARD = "bank_card", "银行卡认证"

    class Status(models.TextChoices):
        SUBMITTED = "submitted", "已提交"
        IN_REVIEW = "in_review", "审核中"
        APPROVED = "approved", "已通过"
        REJECTED = "rejected", "未通过"
        EXPIRED = "expired", "已过期"
        REVOKED = "revoked", "已撤销"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("submitted",),
        "submitted": ("in_review",),
        "in_review": ("approved", "rejected"),
        "approved": ("expired", "revoked"),
    }

    # PROTECT: who was verified, and by whom, has to be shown as long as the account's contracts.
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="verifications", verbose_name="用户", db_index=False
    )
    kind = RuledCharField("认证类型", max_length=16, choices=Kind)
    status = RuledCharField("认证状态", max_length=16, choices=Status, default=Status.SUBMITTED)
    # Of the papers: 居民身份证 number and the name on them.
    identity_number = EncryptedTextField(
        "证件号码", max_length=18, db_column="identity_number_sealed", validators=[validate_identity_number]
    )
    identity_number_index = BlindIndexField("证件号码索引", of="identity_number")
    holder_name = EncryptedTextField(
        "证件姓名", max_length=50, db_column="holder_name_sealed", validators=[validate_not_blank]
    )
    # Keys in the object storage, never public addresses.
    document_keys = models.JSONField("证明文件", default=list, blank=True)
    # SET_NULL: a decision outlives the staff member's account.
    reviewer = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="verifications_reviewed",
        verbose_name="审核人", db_index=False,
    )  # fmt: skip
    reviewed_at = models.DateTimeField("审核时间", null=True, blank=True)
    rejection_reason = LimitedCharField("未通过原因", max_length=500, blank=True)
    # End of the validity of the papers; NULL: they are valid for ever.
    expires_at = models.DateTimeField("有效期至", null=True, blank=True)

    objects = UserVerificationQuerySet.as_manager()

    class Meta:
        verbose_name = "用户认证"
        verbose_name_plural = "用户认证"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "kind"],
                condition=Q(status__in=["submitted", "in_review"]),
                name="accounts_userverification_one_open_per_kind",
                violation_error_message="已有一份同类认证正在审核。",
            ),
            models.UniqueConstraint(
                fields=["user", "kind"],
                condition=Q(status="approved"),
                name="accounts_userverification_one_approved_per_kind",
            ),
            models.UniqueConstraint(
                fields=["identity_number_index"],
                condition=Q(status="approved", kind="real_name"),
                name="accounts_userverification_identity_of_one_account",
                violation_error_message="该证件已用于另一账户的实名认证。",
            ),
            SealedShape(
                condition=Q(IsSealed("identity_number", 18), IsIndexed("identity_number", "identity_number_index")),
                name="accounts_userverification_identity_number_is_sealed",
            ),
            SealedShape(condition=IsSealed("holder_name", 50), name="accounts_userverification_holder_name_is_sealed"),
            models.CheckConstraint(
                condition=Q(kind__in=["real_name", "enterprise", "education", "bank_card"]),
                name="accounts_userverification_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["submitted", "in_review", "approved", "rejected", "expired", "revoked"]),
                name="accounts_userverification_status_known",
            ),
            models.CheckConstraint(
                condition=Exact(JsonbTypeof("document_keys"), "array") & Q(document_keys__10__isnull=True),
                name="accounts_userverification_documents_are_at_most_10",
            ),
            models.CheckConstraint(
                condition=~Q(reviewer=F("user")), name="accounts_userverification_nobody_reviews_themselves"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["submitted", "in_review"], reviewed_at__isnull=True)
                | (~Q(status__in=["submitted", "in_review"]) & Q(reviewed_at__isnull=False)),
                name="accounts_userverification_reviewed_at_fits_status",
            ),
            models.CheckConstraint(
                condition=Q(status="rejected", rejection_reason__regex=r"\S")
                | (~Q(status="rejected") & Q(rejection_reason="")),
                name="accounts_userverification_rejected_with_a_reason",
                violation_error_message="未通过的认证须说明原因。",
            ),
            models.CheckConstraint(
                condition=~Q(status="expired") | Q(expires_at__isnull=False),
                name="accounts_userverification_expired_had_an_end",
            ),
        ]
        indexes = [
            # UserVerificationQuerySet.of_user; also the foreign key's index.
            models.Index(fields=["user", "kind", "-created_at"], name="verifications_of_user_newest"),
            # UserVerificationQuerySet.of_reviewer; also the foreign key's index.
            models.Index(fields=["reviewer", "-reviewed_at"], name="verifications_of_reviewer"),
            # UserVerificationQuerySet.waiting.
            models.Index(
                fields=["created_at", "id"],
                name="verifications_waiting",
                condition=Q(status__in=["submitted", "in_review"]),
            ),
            # UserVerificationQuerySet.out_of_date.
            models.Index(fields=["expires_at"], name="verifications_by_end", condition=Q(status="approved")),
        ]

    def __str__(self) -> str:
        # Nothing private: this text ends up in logs.
        return f"{self.get_kind_display()} {self.get_status_display()}"
