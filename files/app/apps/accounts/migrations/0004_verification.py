import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

import apps.common.expressions
import apps.common.keys
from apps.common.sql import privileges, staff_only, status_transitions


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_profile")]
    operations = [
        migrations.CreateModel(
            name="UserVerification",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=apps.common.keys.UUIDv7(),
                        default=apps.common.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                        verbose_name="编号",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="创建时间"
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        auto_now=True, db_default=django.db.models.functions.datetime.Now(), verbose_name="更新时间"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("real_name", "实名认证"),
                            ("enterprise", "企业认证"),
                            ("education", "学历认证"),
                            ("bank_card", "银行卡认证"),
                        ],
                        max_length=16,
                        verbose_name="认证类型",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("submitted", "已提交"),
                            ("in_review", "审核中"),
                            ("approved", "已通过"),
                            ("rejected", "未通过"),
                            ("expired", "已过期"),
                            ("revoked", "已撤销"),
                        ],
                        default="submitted",
                        max_length=16,
                        verbose_name="认证状态",
                    ),
                ),
                ("document_keys", models.JSONField(blank=True, default=list, verbose_name="证明文件")),
                ("reviewed_at", models.DateTimeField(blank=True, null=True, verbose_name="审核时间")),
                ("rejection_reason", models.CharField(blank=True, max_length=500, verbose_name="未通过原因")),
                ("expires_at", models.DateTimeField(blank=True, null=True, verbose_name="有效期至")),
                (
                    "reviewer",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="verifications_reviewed",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="审核人",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="verifications",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="用户",
                    ),
                ),
            ],
            options={
                "verbose_name": "用户认证",
                "verbose_name_plural": "用户认证",
                "indexes": [
                    models.Index(fields=["user", "kind", "-created_at"], name="verifications_of_user_newest"),
                    models.Index(fields=["reviewer", "-reviewed_at"], name="verifications_of_reviewer"),
                    models.Index(
                        condition=models.Q(("status__in", ["submitted", "in_review"])),
                        fields=["created_at", "id"],
                        name="verifications_waiting",
                    ),
                    models.Index(
                        condition=models.Q(("status", "approved")), fields=["expires_at"], name="verifications_by_end"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status__in", ["submitted", "in_review"])),
                        fields=("user", "kind"),
                        name="accounts_userverification_one_open_per_kind",
                        violation_error_message="已有一份同类认证正在审核。",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("status", "approved")),
                        fields=("user", "kind"),
                        name="accounts_userverification_one_approved_per_kind",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["real_name", "enterprise", "education", "bank_card"])),
                        name="accounts_userverification_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__in", ["submitted", "in_review", "approved", "rejected", "expired", "revoked"])
                        ),
                        name="accounts_userverification_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(
                                apps.common.expressions.JsonbTypeof("document_keys"), "array"
                            ),
                            models.Q(("document_keys__10__isnull", True)),
                        ),
                        name="accounts_userverification_documents_are_at_most_10",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reviewer", models.F("user")), _negated=True),
                        name="accounts_userverification_nobody_reviews_themselves",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("reviewed_at__isnull", True), ("status__in", ["submitted", "in_review"])),
                            models.Q(
                                models.Q(("status__in", ["submitted", "in_review"]), _negated=True),
                                ("reviewed_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="accounts_userverification_reviewed_at_fits_status",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("rejection_reason__regex", "\\S"), ("status", "rejected")),
                            models.Q(models.Q(("status", "rejected"), _negated=True), ("rejection_reason", "")),
                            _connector="OR",
                        ),
                        name="accounts_userverification_rejected_with_a_reason",
                        violation_error_message="未通过的认证须说明原因。",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "expired"), _negated=True),
                            ("expires_at__isnull", False),
                            _connector="OR",
                        ),
                        name="accounts_userverification_expired_had_an_end",
                    ),
                ],
            },
        ),
        status_transitions(
            "accounts_userverification",
            {
                "": ("submitted",),
                "submitted": ("in_review",),
                "in_review": ("approved", "rejected"),
                "approved": ("expired", "revoked"),
            },
        ),
        staff_only("accounts_userverification", "reviewer"),
        # Evidence: the application adds and changes, it deletes nothing.
        privileges("accounts_userverification", "freelance_user", "SELECT, INSERT, UPDATE"),
        # Papers are for the person and the staff who decide.
        privileges("accounts_userverification", "reporting_user", ""),
    ]
