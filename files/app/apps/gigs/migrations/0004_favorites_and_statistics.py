import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import apps.common.keys


class Migration(migrations.Migration):
    dependencies = [("gigs", "0003_details")]
    operations = [
        migrations.CreateModel(
            name="GigFavorite",
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
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="favorites",
                        to="gigs.gig",
                        verbose_name="服务",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="gig_favorites",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="用户",
                    ),
                ),
            ],
            options={
                "verbose_name": "服务收藏",
                "verbose_name_plural": "服务收藏",
                "indexes": [
                    models.Index(fields=["user", "-created_at", "-id"], name="favorites_of_user_newest"),
                    models.Index(fields=["gig", "-created_at"], name="favorites_of_gig_newest"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "gig"),
                        name="gigs_gigfavorite_once_per_user",
                        violation_error_message="已经收藏过该服务。",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("user", models.F("freelancer")), _negated=True),
                        name="gigs_gigfavorite_not_of_own_gig",
                        violation_error_message="不能收藏自己的服务。",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="GigStat",
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
                ("day", models.DateField(verbose_name="日期")),
                ("view_count", models.PositiveIntegerField(default=0, verbose_name="浏览次数")),
                ("visitor_count", models.PositiveIntegerField(default=0, verbose_name="访客数")),
                ("favorite_count", models.PositiveIntegerField(default=0, verbose_name="新增收藏数")),
                ("order_count", models.PositiveIntegerField(default=0, verbose_name="下单数")),
                ("completed_order_count", models.PositiveIntegerField(default=0, verbose_name="完成订单数")),
                (
                    "revenue_amount",
                    models.DecimalField(decimal_places=2, default=0, max_digits=12, verbose_name="收入（元）"),
                ),
                ("currency", models.CharField(db_default="CNY", default="CNY", max_length=3, verbose_name="币种")),
                (
                    "gig",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stats",
                        to="gigs.gig",
                        verbose_name="服务",
                    ),
                ),
            ],
            options={
                "verbose_name": "服务日统计",
                "verbose_name_plural": "服务日统计",
                "indexes": [models.Index(fields=["day", "-view_count"], name="stats_of_day_most_viewed")],
                "constraints": [
                    models.UniqueConstraint(fields=("gig", "day"), name="gigs_gigstat_once_per_gig_and_day"),
                    models.CheckConstraint(
                        condition=models.Q(("visitor_count__lte", models.F("view_count"))),
                        name="gigs_gigstat_no_more_visitors_than_views",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("revenue_amount__gte", 0)), name="gigs_gigstat_revenue_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("currency", "CNY")), name="gigs_gigstat_currency_is_cny"
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            """
    ALTER TABLE gigs_gigfavorite ADD CONSTRAINT gigs_gigfavorite_freelancer_owns_gig
        FOREIGN KEY (gig_id, freelancer_id) REFERENCES gigs_gig (id, freelancer_id);
    """,
            "ALTER TABLE gigs_gigfavorite DROP CONSTRAINT gigs_gigfavorite_freelancer_owns_gig",
        ),
    ]
