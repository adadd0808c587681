"""What was agreed beyond the package: extras that are paid for, and what the freelancer asks of the client."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from apps.common.models import TimestampedModel
from apps.common.texts import LimitedCharField, LimitedURLField, RuledCharField
from apps.gigs.models import GigExtra, GigRequirement
from apps.orders.managers import OrderRequirementQuerySet
from apps.orders.models.order import Order


class OrderExtra(TimestampedModel):
    """An extra of the gig that the client ordered, with name and price as they were then.

    Migration orders.0007 adds what a model cannot say: the extra is of the order's gig and on sale, it is chosen
    before the payment, and the order's `extras_amount` is the sum of its extras. A client takes it with the name, price
    and days that the gig offers, until the platform has written the order's fee (migrations orders.0023 and 0028).
    """

    # PROTECT: a part of the contract, priced in the ledger.
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="order_extras", verbose_name="订单", db_index=False
    )
    # PROTECT: an extra that was ordered is switched off (is_active), not deleted.
    gig_extra = models.ForeignKey(
        GigExtra, on_delete=models.PROTECT, related_name="order_extras", verbose_name="服务附加项"
    )
    # Copies from the time of ordering: a later change of the gig does not touch them.
    name = LimitedCharField("名称", max_length=50)
    unit_price = models.DecimalField("单价（元）", max_digits=12, decimal_places=2)
    quantity = models.PositiveSmallIntegerField("数量", default=1)
    amount = models.GeneratedField(
        expression=F("unit_price") * F("quantity"),
        output_field=models.DecimalField(max_digits=12, decimal_places=2), db_persist=True,
        verbose_name="金额（元）",
    )  # fmt: skip
    currency = RuledCharField("币种", max_length=3, default="CNY", db_default="CNY")
    # Negative: the work is delivered sooner.
    additional_days = models.SmallIntegerField("增加的交付天数", default=0)

    class Meta:
        verbose_name = "订单附加项"
        verbose_name_plural = "订单附加项"
        constraints = [
            # Its index also finds an order's extras.
            models.UniqueConstraint(fields=["order", "gig_extra"], name="orders_orderextra_once_per_order"),
            models.CheckConstraint(condition=Q(name__regex=r"\S"), name="orders_orderextra_name_not_blank"),
            models.CheckConstraint(
                condition=Q(unit_price__gte=1, unit_price__lte=1_000_000),
                name="orders_orderextra_price_1_to_1_million",
                violation_error_message="价格须在 1 元到 100 万元之间。",
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, quantity__lte=100), name="orders_orderextra_quantity_1_to_100"
            ),
            models.CheckConstraint(condition=Q(currency="CNY"), name="orders_orderextra_currency_is_cny"),
            models.CheckConstraint(
                condition=Q(additional_days__gte=-30, additional_days__lte=90),
                name="orders_orderextra_days_minus_30_to_90",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class OrderRequirement(TimestampedModel):
    """A question that the freelancer's gig asks of the client, and the client's answer."""

    class Kind(models.TextChoices):
        TEXT = "text", "文字"
        CHOICE = "choice", "选项"
        FILE = "file", "文件"

    # PROTECT: what was asked and answered is a part of the contract.
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="requirements", verbose_name="订单", db_index=False
    )
    # SET_NULL: the gig may drop its question, the order keeps the copy.
    gig_requirement = models.ForeignKey(
        GigRequirement, on_delete=models.SET_NULL, null=True, blank=True, related_name="order_requirements",
        verbose_name="服务需求项",
    )  # fmt: skip
    # Copies from the time of ordering.
    question = LimitedCharField("问题", max_length=300)
    kind = RuledCharField("回答方式", max_length=16, choices=Kind, default=Kind.TEXT)
    is_required = models.BooleanField("必填", default=True)
    sort_order = models.PositiveSmallIntegerField("排序", default=0)
    answer = models.TextField("回答", max_length=5000, blank=True)
    answer_file_url = LimitedURLField("回答附件", max_length=500, blank=True)
    answered_at = models.DateTimeField("回答时间", null=True, blank=True)

    objects = OrderRequirementQuerySet.as_manager()

    class Meta:
        verbose_name = "订单需求"
        verbose_name_plural = "订单需求"
        ordering = ["sort_order"]
        constraints = [
            # Its index also finds an order's questions, in order.
            models.UniqueConstraint(fields=["order", "sort_order"], name="orders_orderrequirement_one_per_place"),
            models.CheckConstraint(
                condition=Q(kind__in=["text", "choice", "file"]), name="orders_orderrequirement_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(question__regex=r"\S"), name="orders_orderrequirement_question_not_blank"
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("answer"), 5000),
                name="orders_orderrequirement_answer_at_most_5000_characters",
            ),
            models.CheckConstraint(
                condition=Q(answered_at__isnull=True, answer="", answer_file_url="")
                | (Q(answered_at__isnull=False) & ~Q(answer="", answer_file_url="")),
                name="orders_orderrequirement_answered_at_fits_answer",
            ),
        ]

    def __str__(self) -> str:
        return self.question
