"""How gigs did, day by day."""

from django.db import models
from django.db.models import F, Q

from apps.common.models import TimestampedModel
from apps.common.money import are_numbers
from apps.common.texts import RuledCharField
from apps.gigs.managers import GigStatQuerySet
from apps.gigs.models.gig import Gig


class GigStat(TimestampedModel):
    """One gig on one day (Asia/Shanghai), counted by the daily roll-up."""

    # PROTECT: a gig with figures is archived, not deleted.
    gig = models.ForeignKey(Gig, on_delete=models.PROTECT, related_name="stats", verbose_name="服务", db_index=False)
    day = models.DateField("日期")
    view_count = models.PositiveIntegerField("浏览次数", default=0)
    visitor_count = models.PositiveIntegerField("访客数", default=0)
    favorite_count = models.PositiveIntegerField("新增收藏数", default=0)
    order_count = models.PositiveIntegerField("下单数", default=0)
    completed_order_count = models.PositiveIntegerField("完成订单数", default=0)
    # Of the orders that were completed on this day.
    revenue_amount = models.DecimalField("收入（元）", max_digits=12, decimal_places=2, default=0)
    currency = RuledCharField("币种", max_length=3, default="CNY", db_default="CNY")

    objects = GigStatQuerySet.as_manager()

    class Meta:
        verbose_name = "服务日统计"
        verbose_name_plural = "服务日统计"
        constraints = [
            # Its index serves GigStatQuerySet.of_gig, and the foreign key.
            models.UniqueConstraint(fields=["gig", "day"], name="gigs_gigstat_once_per_gig_and_day"),
            models.CheckConstraint(
                condition=Q(visitor_count__lte=F("view_count")), name="gigs_gigstat_no_more_visitors_than_views"
            ),
            models.CheckConstraint(condition=Q(revenue_amount__gte=0), name="gigs_gigstat_revenue_not_negative"),
            models.CheckConstraint(condition=are_numbers("revenue_amount"), name="gigs_gigstat_revenue_is_a_number"),
            models.CheckConstraint(condition=Q(currency="CNY"), name="gigs_gigstat_currency_is_cny"),
        ]
        indexes = [
            # GigStatQuerySet.most_viewed.
            models.Index(fields=["day", "-view_count"], name="stats_of_day_most_viewed"),
        ]

    def __str__(self) -> str:
        return f"{self.gig_id} {self.day}"
