"""Daily figures of orders, rolled up from the orders themselves."""

from django.db import models
from django.db.models import Q

from apps.common.models import TimestampedModel
from apps.common.money import are_numbers
from apps.common.texts import RuledCharField
from apps.gigs.models import Category
from apps.orders.managers import OrderStatQuerySet


class OrderStat(TimestampedModel):
    """One category's orders of one day in China. Counts are of events on that day, whenever the order was placed."""

    day = models.DateField("日期")
    # PROTECT: a category with figures is switched off, not deleted.
    category = models.ForeignKey(
        Category, on_delete=models.PROTECT, related_name="order_stats", verbose_name="分类", db_index=False
    )
    placed_count = models.PositiveIntegerField("下单数", default=0)
    paid_count = models.PositiveIntegerField("付款数", default=0)
    delivered_count = models.PositiveIntegerField("交付数", default=0)
    completed_count = models.PositiveIntegerField("完成数", default=0)
    cancelled_count = models.PositiveIntegerField("取消数", default=0)
    refunded_count = models.PositiveIntegerField("退款数", default=0)
    disputed_count = models.PositiveIntegerField("争议数", default=0)
    # Of the whole platform: 16 digits before the point, where one person's money has 10.
    paid_amount = models.DecimalField("付款金额（元）", max_digits=18, decimal_places=2, default=0)
    completed_amount = models.DecimalField("完成金额（元）", max_digits=18, decimal_places=2, default=0)
    currency = RuledCharField("币种", max_length=3, default="CNY", db_default="CNY")

    objects = OrderStatQuerySet.as_manager()

    class Meta:
        verbose_name = "订单日统计"
        verbose_name_plural = "订单日统计"
        constraints = [
            # OrderStatQuerySet.of_category; also the foreign key's index.
            models.UniqueConstraint(fields=["category", "day"], name="orders_orderstat_once_per_category_and_day"),
            models.CheckConstraint(
                condition=Q(paid_amount__gte=0, completed_amount__gte=0), name="orders_orderstat_amounts_not_negative"
            ),
            models.CheckConstraint(
                condition=are_numbers("paid_amount", "completed_amount", digits=18),
                name="orders_orderstat_amounts_are_numbers",
            ),
            models.CheckConstraint(condition=Q(currency="CNY"), name="orders_orderstat_currency_is_cny"),
        ]
        indexes = [
            # OrderStatQuerySet.of_day.
            models.Index(fields=["day", "-paid_amount"], name="order_stats_of_day_by_amount"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.category_id}"
