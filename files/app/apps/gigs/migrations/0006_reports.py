import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

import apps.common.expressions
import apps.common.keys
from apps.common.sql import privileges, staff_only, status_transitions


class Migration(migrations.Migration):
    dependencies = [("gigs", "0005_views_and_searches")]

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
                            ("spam", "垃圾广告"),
                            ("fraud", "欺诈"),
                            ("abuse", "辱骂或骚扰"),
                            ("infringement", "侵犯知识产权"),
                            ("misleading", "描述不符"),
                            ("off_platform", "引导线下交易"),
                            ("illegal", "违法违规"),
                            ("privacy", "泄露隐私"),
                            ("other", "其他"),
                        ],
                        max_length=16,
                        verbose_name="举报原因",
                    ),
                ),
                ("details", models.TextField(blank=True, max_length=1000, verbose_name="详细说明")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "待处理"),
                            ("reviewing", "处理中"),
                            ("upheld", "成立"),
                            ("dismissed", "驳回"),
                        ],
                        default="open",
                        max_length=16,
                        verbose_name="处理状态",
                    ),
                ),
                ("handled_at", models.DateTimeField(blank=True, null=True, verbose_name="处理时间")),
                ("resolution", models.CharField(blank=True, max_length=500, verbose_name="处理说明")),
                ("evidence_keys", models.JSONField(blank=True, default=list, verbose_name="证据文件")),
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
                    "handled_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="%(class)ss_handled",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="处理人",
                    ),
                ),
                (
                    "reporter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="%(class)ss_filed",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="举报人",
                    ),
                ),
            ],
            options={
                "verbose_name": "服务举报",
                "verbose_name_plural": "服务举报",
                "abstract": False,
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "open")), fields=["created_at", "id"], name="gigreports_waiting"
                    ),
                    models.Index(fields=["gig", "-created_at"], name="gigreports_of_gig_newest"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "reason__in",
                                [
                                    "spam",
                                    "fraud",
                                    "abuse",
                                    "infringement",
                                    "misleading",
                                    "off_platform",
                                    "illegal",
                                    "privacy",
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
                        condition=django.db.models.lookups.LessThanOrEqual(
                            django.db.models.functions.text.Length("details"), 1000
                        ),
                        name="gigs_gigreport_details_at_most_1000_characters",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("reason", "other"), _negated=True),
                            models.Q(("details", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="gigs_gigreport_other_reason_is_explained",
                        violation_error_message="选择“其他”时须填写详细说明。",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("handled_at__isnull", False), ("status__in", ["upheld", "dismissed"])),
                            models.Q(("handled_at__isnull", True), ("status__in", ["open", "reviewing"])),
                            _connector="OR",
                        ),
                        name="gigs_gigreport_handled_at_fits_status",
                    ),
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
                            django.db.models.lookups.Exact(
                                apps.common.expressions.JsonbTypeof("evidence_keys"), "array"
                            ),
                            models.Q(("evidence_keys__10__isnull", True)),
                        ),
                        name="gigs_gigreport_evidence_is_at_most_10_files",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("handled_by", models.F("reporter")), _negated=True),
                            models.Q(("handled_by", models.F("freelancer")), _negated=True),
                        ),
                        name="gigs_gigreport_handled_by_no_party",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__in", ["open", "reviewing"]), ("resolution__regex", "\\S"), _connector="OR"
                        ),
                        name="gigs_gigreport_decision_is_explained",
                        violation_error_message="处理完毕的举报须有结果说明。",
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
            {
                "": ("open",),
                "open": ("reviewing", "upheld", "dismissed"),
                "reviewing": ("open", "upheld", "dismissed"),
            },
        ),
        staff_only("gigs_gigreport", "handled_by"),
        # Evidence: the application adds and changes, it deletes nothing.
        privileges("gigs_gigreport", "freelance_user", "SELECT, INSERT, UPDATE"),
    ]
