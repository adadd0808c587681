import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
from django.db import migrations, models

import apps.common.expressions
import apps.common.keys


class Migration(migrations.Migration):
    dependencies = [("gigs", "0002_integrity")]
    operations = [
        migrations.CreateModel(
            name="GigRequirement",
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
                        choices=[("text", "文字"), ("file", "文件"), ("choice", "选项")],
                        default="text",
                        max_length=16,
                        verbose_name="回答方式",
                    ),
                ),
                ("question", models.CharField(max_length=300, verbose_name="问题")),
                ("options", models.JSONField(blank=True, default=list, verbose_name="选项")),
                ("allows_several", models.BooleanField(default=False, verbose_name="可多选")),
                ("is_required", models.BooleanField(default=True, verbose_name="必填")),
                ("sort_order", models.PositiveSmallIntegerField(default=0, verbose_name="排序")),
                (
                    "gig",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="requirements",
                        to="gigs.gig",
                        verbose_name="服务",
                    ),
                ),
            ],
            options={
                "verbose_name": "服务需求问题",
                "verbose_name_plural": "服务需求问题",
                "ordering": ["sort_order", "id"],
                "indexes": [models.Index(fields=["gig", "sort_order", "id"], name="requirements_of_gig_in_order")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["text", "file", "choice"])),
                        name="gigs_gigrequirement_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("question__regex", "\\S")), name="gigs_gigrequirement_question_not_blank"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(apps.common.expressions.JsonbTypeof("options"), "array"),
                            models.Q(
                                models.Q(
                                    ("kind", "choice"), ("options__1__isnull", False), ("options__20__isnull", True)
                                ),
                                models.Q(models.Q(("kind", "choice"), _negated=True), ("options__0__isnull", True)),
                                _connector="OR",
                            ),
                        ),
                        name="gigs_gigrequirement_choice_has_2_to_20_options",
                        violation_error_message="选项题须有 2 到 20 个选项，其他题型没有选项。",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind", "choice"), ("allows_several", False), _connector="OR"),
                        name="gigs_gigrequirement_only_choices_are_several",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="GigFAQ",
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
                ("question", models.CharField(max_length=200, verbose_name="问题")),
                ("answer", models.TextField(max_length=2000, verbose_name="回答")),
                ("sort_order", models.PositiveSmallIntegerField(default=0, verbose_name="排序")),
                (
                    "gig",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="faqs",
                        to="gigs.gig",
                        verbose_name="服务",
                    ),
                ),
            ],
            options={
                "verbose_name": "常见问题",
                "verbose_name_plural": "常见问题",
                "ordering": ["sort_order", "id"],
                "indexes": [models.Index(fields=["gig", "sort_order", "id"], name="faqs_of_gig_in_order")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("answer__regex", "\\S"), ("question__regex", "\\S")),
                        name="gigs_gigfaq_question_and_answer_not_blank",
                    ),
                    models.CheckConstraint(
                        condition=django.db.models.lookups.LessThanOrEqual(
                            django.db.models.functions.text.Length("answer"), 2000
                        ),
                        name="gigs_gigfaq_answer_at_most_2000_characters",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="GigExtra",
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
                ("name", models.CharField(max_length=50, verbose_name="附加服务名称")),
                ("description", models.CharField(blank=True, max_length=300, verbose_name="附加服务说明")),
                (
                    "price",
                    models.DecimalField(
                        decimal_places=2,
                        max_digits=12,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="价格（元）",
                    ),
                ),
                ("currency", models.CharField(db_default="CNY", default="CNY", max_length=3, verbose_name="币种")),
                ("additional_days", models.SmallIntegerField(default=0, verbose_name="增加的交付天数")),
                ("is_active", models.BooleanField(default=True, verbose_name="启用")),
                (
                    "gig",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="extras",
                        to="gigs.gig",
                        verbose_name="服务",
                    ),
                ),
            ],
            options={
                "verbose_name": "附加服务",
                "verbose_name_plural": "附加服务",
                "ordering": ["price", "id"],
                "constraints": [
                    models.UniqueConstraint(fields=("gig", "name"), name="gigs_gigextra_name_once_per_gig"),
                    models.CheckConstraint(
                        condition=models.Q(("name__regex", "\\S")), name="gigs_gigextra_name_not_blank"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("price__gte", 1), ("price__lte", 1000000)),
                        name="gigs_gigextra_price_1_to_1_million",
                        violation_error_message="价格须在 1 元到 100 万元之间。",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("currency", "CNY")), name="gigs_gigextra_currency_is_cny"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("additional_days__gte", -30), ("additional_days__lte", 90)),
                        name="gigs_gigextra_days_minus_30_to_90",
                    ),
                ],
            },
        ),
    ]
