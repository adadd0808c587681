"""What all orders come to, in materialized views that `refresh_statistics_views` keeps."""

from django.conf import settings
from django.db import models

from apps.common.materialized import MaterializedView
from apps.gigs.models import Category
from apps.orders.managers import CategorySummaryQuerySet, FreelancerSummaryQuerySet


class CategorySummary(MaterializedView):
    """One category's offers and orders, as of the last refresh."""

    # DO_NOTHING: no constraint stands behind it, the next refresh drops the row.
    category = models.OneToOneField(
        Category, on_delete=models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="summary",
        verbose_name="分类",
    )  # fmt: skip
    active_gig_count = models.PositiveIntegerField("在售服务数")
    freelancer_count = models.PositiveIntegerField("自由职业者数")
    order_count = models.PositiveIntegerField("订单数")
    completed_order_count = models.PositiveIntegerField("完成订单数")
    # NULL below five completed orders: an average of few says what one of them cost.
    average_price = models.DecimalField("平均成交价（元）", max_digits=12, decimal_places=2, null=True)

    objects = CategorySummaryQuerySet.as_manager()

    class Meta:
        managed = False
        verbose_name = "分类汇总"
        verbose_name_plural = "分类汇总"

    def __str__(self) -> str:
        return f"{self.category_id}"


class FreelancerSummary(MaterializedView):
    """What everybody may know of a freelancer's orders, as of the last refresh: no amounts."""

    # DO_NOTHING: no constraint stands behind it, the next refresh drops the row.
    freelancer = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, primary_key=True, db_constraint=False,
        related_name="summary", verbose_name="自由职业者",
    )  # fmt: skip
    order_count = models.PositiveIntegerField("订单数")
    completed_order_count = models.PositiveIntegerField("完成订单数")
    client_count = models.PositiveIntegerField("客户数")

    objects = FreelancerSummaryQuerySet.as_manager()

    class Meta:
        managed = False
        verbose_name = "自由职业者汇总"
        verbose_name_plural = "自由职业者汇总"

    def __str__(self) -> str:
        return f"{self.freelancer_id}"
