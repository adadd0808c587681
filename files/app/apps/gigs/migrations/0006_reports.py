import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

import apps.common.expressions
import apps.common.keys
from apps.common.sql import staff_only, status_transitions


class Migration(migrations.Migration):
    dependencies = [("gigs", "0005_views_and_searches"), ("accounts", "0004_verification")]
    operations = [
        migrations.CreateModel(
            name="GigReport",
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
                    "reason",
                    models.CharField(
                        choices=[
                            ("fraud", "欺诈"),
                            ("illegal", "违法违规"),
                            ("infringement", "侵犯知识产权"),
                            ("misleading", "描述不符"),
                            ("off_platform", "引导站外交易"),
                            ("offensive", "低俗或辱骂"),
                            ("other", "其他"),
                        ],
                        max_length=16,
                        verbose_name="举报原因",
                    ),
                ),
                ("description", models.TextField(blank=True, max_length=2000, verbose_name="举报说明")),
                ("evidence_keys", models.JSONField(blank=True, default=list, verbose_name="证据文件")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "待处理"),
                            ("reviewing", "处理中"),
                            ("upheld", "举报成立"),
                            ("dismissed", "举报不成立"),
                        ],
                        default="open",
                        max_length=16,
                        verbose_name="处理状态",
                    ),
                ),
                ("resolution", models.CharField(blank=True, max_length=500, verbose_name="处理结果说明")),
                ("resolved_at", models.DateTimeField(blank=True, null=True, verbose_name="处理时间")),
                (
                    "freelancer",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="自由职业者",
                    ),
                ),
                (
                    "gig",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reports",
                        to="gigs.gig",
                        verbose_name="服务",
                    ),
                ),
                (
                    "reporter",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="gig_reports",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="举报人",
                    ),
                ),
                (
                    "reviewer",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="gig_reports_reviewed",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="处理人",
                    ),
                ),
            ],
            options={
                "verbose_name": "服务举报",
                "verbose_name_plural": "服务举报",
                "indexes": [
                    models.Index(fields=["reporter", "-created_at"], name="reports_of_reporter_newest"),
                    models.Index(fields=["gig", "-created_at"], name="reports_of_gig_newest"),
                    models.Index(fields=["reviewer", "-resolved_at"], name="reports_of_reviewer"),
                    models.Index(
                        condition=models.Q(("status__in", ["open", "reviewing"])),
                        fields=["created_at", "id"],
                        name="reports_waiting",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status__in", ["open", "reviewing"])),
                        fields=("reporter", "gig"),
                        name="gigs_gigreport_one_open_per_reporter_and_gig",
                        violation_error_message="您已举报过该服务，正在处理中。",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reporter", models.F("freelancer")), _negated=True),
                        name="gigs_gigreport_not_of_own_gig",
                        violation_error_message="不能举报自己的服务。",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "reason__in",
                                [
                                    "fraud",
                                    "illegal",
                                    "infringement",
                                    "misleading",
                                    "off_platform",
                                    "offensive",
                                    "other",
                                ],
                            )
                        ),
                        name="gigs_gigreport_reason_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["open", "reviewing", "upheld", "dismissed"])),
                        name="gigs_gigreport_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("reason", "other"), _negated=True), ("description__regex", "\\S"), _connector="OR"
                        ),
                        name="gigs_gigreport_other_reason_is_described",
                        violation_error_message="选择“其他”时须填写举报说明。",
                    ),
                    models.CheckConstraint(
                        condition=django.db.models.lookups.LessThanOrEqual(
                            django.db.models.functions.text.Length("description"), 2000
                        ),
                        name="gigs_gigreport_description_at_most_2000_characters",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(
                                apps.common.expressions.JsonbTypeof("evidence_keys"), "array"
                            ),
                            models.Q(("evidence_keys__10__isnull", True)),
                        ),
                        name="gigs_gigreport_evidence_is_at_most_10_files",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("reviewer", models.F("reporter")), _negated=True),
                            models.Q(("reviewer", models.F("freelancer")), _negated=True),
                        ),
                        name="gigs_gigreport_reviewer_is_no_party",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("resolution", ""), ("resolved_at__isnull", True), ("status__in", ["open", "reviewing"])
                            ),
                            models.Q(
                                ("resolution__regex", "\\S"),
                                ("resolved_at__isnull", False),
                                ("status__in", ["upheld", "dismissed"]),
                            ),
                            _connector="OR",
                        ),
                        name="gigs_gigreport_resolution_fits_status",
                        violation_error_message="处理完毕的举报须有处理时间和结果说明。",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            """
    ALTER TABLE gigs_gigreport ADD CONSTRAINT gigs_gigreport_freelancer_owns_gig
        FOREIGN KEY (gig_id, freelancer_id) REFERENCES gigs_gig (id, freelancer_id);
    """,
            "ALTER TABLE gigs_gigreport DROP CONSTRAINT gigs_gigreport_freelancer_owns_gig",
        ),
        status_transitions(
            "gigs_gigreport",
            {"": ("open",), "open": ("reviewing",), "reviewing": ("upheld", "dismissed")},
        ),
        staff_only("gigs_gigreport", "reviewer"),
    ]
