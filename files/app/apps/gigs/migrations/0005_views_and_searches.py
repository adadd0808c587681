import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

import apps.common.expressions
import apps.common.keys
from apps.common.sql import partitioned_by_month, privileges


class Migration(migrations.Migration):
    dependencies = [("gigs", "0004_favorites_and_statistics")]
    operations = [
        partitioned_by_month(
            migrations.CreateModel(
                name="GigView",
                fields=[
                    (
                        "pk",
                        models.CompositePrimaryKey(
                            "created_at", "id", blank=True, editable=False, primary_key=True, serialize=False
                        ),
                    ),
                    (
                        "created_at",
                        models.DateTimeField(
                            db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="时间"
                        ),
                    ),
                    (
                        "id",
                        models.UUIDField(
                            db_default=apps.common.keys.UUIDv7(),
                            default=apps.common.keys.uuid7,
                            editable=False,
                            verbose_name="编号",
                        ),
                    ),
                    ("session_digest", models.CharField(max_length=64, verbose_name="会话摘要")),
                    (
                        "source",
                        models.CharField(
                            choices=[
                                ("search", "搜索"),
                                ("category", "分类"),
                                ("recommendation", "推荐"),
                                ("favorite", "收藏"),
                                ("profile", "个人主页"),
                                ("share", "分享"),
                                ("direct", "直接访问"),
                            ],
                            max_length=16,
                            verbose_name="来源",
                        ),
                    ),
                    (
                        "gig",
                        models.ForeignKey(
                            db_index=False,
                            on_delete=django.db.models.deletion.CASCADE,
                            related_name="views",
                            to="gigs.gig",
                            verbose_name="服务",
                        ),
                    ),
                    (
                        "viewer",
                        models.ForeignKey(
                            blank=True,
                            db_index=False,
                            null=True,
                            on_delete=django.db.models.deletion.SET_NULL,
                            related_name="gig_views",
                            to=settings.AUTH_USER_MODEL,
                            verbose_name="浏览者",
                        ),
                    ),
                ],
                options={
                    "verbose_name": "服务浏览记录",
                    "verbose_name_plural": "服务浏览记录",
                    "indexes": [
                        models.Index(fields=["gig", "-created_at"], name="views_of_gig_newest"),
                        models.Index(fields=["viewer", "-created_at", "-id"], name="views_of_viewer_newest"),
                    ],
                    "constraints": [
                        models.CheckConstraint(
                            condition=models.Q(("session_digest__regex", "^[0-9a-f]{64}$")),
                            name="gigs_gigview_session_digest_is_sha256",
                        ),
                        models.CheckConstraint(
                            condition=models.Q(
                                (
                                    "source__in",
                                    ["search", "category", "recommendation", "favorite", "profile", "share", "direct"],
                                )
                            ),
                            name="gigs_gigview_source_known",
                        ),
                    ],
                },
            )
        ),
        partitioned_by_month(
            migrations.CreateModel(
                name="GigSearchHistory",
                fields=[
                    (
                        "pk",
                        models.CompositePrimaryKey(
                            "created_at", "id", blank=True, editable=False, primary_key=True, serialize=False
                        ),
                    ),
                    (
                        "created_at",
                        models.DateTimeField(
                            db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="时间"
                        ),
                    ),
                    (
                        "id",
                        models.UUIDField(
                            db_default=apps.common.keys.UUIDv7(),
                            default=apps.common.keys.uuid7,
                            editable=False,
                            verbose_name="编号",
                        ),
                    ),
                    ("session_digest", models.CharField(max_length=64, verbose_name="会话摘要")),
                    ("query_text", models.CharField(blank=True, max_length=200, verbose_name="检索词")),
                    ("filters", models.JSONField(blank=True, default=dict, verbose_name="筛选条件")),
                    ("result_count", models.PositiveIntegerField(verbose_name="结果数")),
                    (
                        "user",
                        models.ForeignKey(
                            blank=True,
                            db_index=False,
                            null=True,
                            on_delete=django.db.models.deletion.CASCADE,
                            related_name="gig_searches",
                            to=settings.AUTH_USER_MODEL,
                            verbose_name="用户",
                        ),
                    ),
                ],
                options={
                    "verbose_name": "服务搜索记录",
                    "verbose_name_plural": "服务搜索记录",
                    "indexes": [
                        models.Index(fields=["user", "-created_at", "-id"], name="searches_of_user_newest"),
                        models.Index(
                            condition=models.Q(("result_count", 0)),
                            fields=["-created_at"],
                            name="searches_without_result",
                        ),
                    ],
                    "constraints": [
                        models.CheckConstraint(
                            condition=models.Q(("session_digest__regex", "^[0-9a-f]{64}$")),
                            name="gigs_gigsearchhistory_session_digest_is_sha256",
                        ),
                        models.CheckConstraint(
                            condition=django.db.models.lookups.Exact(
                                apps.common.expressions.JsonbTypeof("filters"), "object"
                            ),
                            name="gigs_gigsearchhistory_filters_is_object",
                        ),
                    ],
                },
            )
        ),
        # A view is added, never corrected; what a person searched for may be cleared by the person.
        privileges("gigs_gigview", "freelance_user", "SELECT, INSERT"),
        # Which words are wanted is for reports, whose words they are is not.
        privileges("gigs_gigsearchhistory", "reporting_user", "SELECT", except_columns=["user_id", "session_digest"]),
    ]
