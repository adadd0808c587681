from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# The unique index is what lets a view be refreshed beside its readers, and finds one row.
CATEGORY_SUMMARY = """
CREATE MATERIALIZED VIEW orders_categorysummary AS
    WITH offers AS (
        SELECT category_id, count(*) AS gigs, count(DISTINCT freelancer_id) AS freelancers
        FROM gigs_gig WHERE status = 'active' GROUP BY category_id),
    sales AS (
        SELECT g.category_id, count(*) AS orders, count(*) FILTER (WHERE o.status = 'completed') AS completed,
            round(avg(o.total_amount) FILTER (WHERE o.status = 'completed'), 2) AS price
        FROM orders_order AS o JOIN gigs_gig AS g ON g.id = o.gig_id GROUP BY g.category_id)
    SELECT c.id AS category_id, coalesce(gigs, 0)::int AS active_gig_count,
        coalesce(freelancers, 0)::int AS freelancer_count, coalesce(orders, 0)::int AS order_count,
        coalesce(completed, 0)::int AS completed_order_count, price::numeric(12, 2) AS average_price
    FROM gigs_category AS c LEFT JOIN offers ON offers.category_id = c.id LEFT JOIN sales ON sales.category_id = c.id;
CREATE UNIQUE INDEX category_summary_of_category ON orders_categorysummary (category_id);
"""
FREELANCER_SUMMARY = """
CREATE MATERIALIZED VIEW orders_freelancersummary AS
    SELECT freelancer_id, count(*)::int AS order_count,
        (count(*) FILTER (WHERE status = 'completed'))::int AS completed_order_count,
        count(DISTINCT client_id)::int AS client_count
    FROM orders_order GROUP BY freelancer_id;
CREATE UNIQUE INDEX freelancer_summary_of_freelancer ON orders_freelancersummary (freelancer_id);
"""


def one_to_one(to: str, verbose_name: str) -> "models.OneToOneField[Any, Any]":
    return models.OneToOneField(
        to, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, serialize=False, db_constraint=False,
        related_name="summary", verbose_name=verbose_name,
    )  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0012_audit"),
        ("gigs", "0010_limits_of_texts_hold"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            "CategorySummary",
            [
                ("category", one_to_one("gigs.category", "分类")),
                ("active_gig_count", models.PositiveIntegerField(verbose_name="在售服务数")),
                ("freelancer_count", models.PositiveIntegerField(verbose_name="自由职业者数")),
                ("order_count", models.PositiveIntegerField(verbose_name="订单数")),
                ("completed_order_count", models.PositiveIntegerField(verbose_name="完成订单数")),
                (
                    "average_price",
                    models.DecimalField(decimal_places=2, max_digits=12, null=True, verbose_name="平均成交价（元）"),
                ),
            ],
            {"verbose_name": "分类汇总", "verbose_name_plural": "分类汇总", "managed": False},
        ),
        migrations.CreateModel(
            "FreelancerSummary",
            [
                ("freelancer", one_to_one(settings.AUTH_USER_MODEL, "自由职业者")),
                ("order_count", models.PositiveIntegerField(verbose_name="订单数")),
                ("completed_order_count", models.PositiveIntegerField(verbose_name="完成订单数")),
                ("client_count", models.PositiveIntegerField(verbose_name="客户数")),
            ],
            {"verbose_name": "自由职业者汇总", "verbose_name_plural": "自由职业者汇总", "managed": False},
        ),
        migrations.RunSQL(CATEGORY_SUMMARY, "DROP MATERIALIZED VIEW orders_categorysummary"),
        migrations.RunSQL(FREELANCER_SUMMARY, "DROP MATERIALIZED VIEW orders_freelancersummary"),
    ]
