"""What belongs to a gig: questions to the client, answers to questions, and extras."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact, LessThanOrEqual

from apps.common.caching import Remembered, RememberedQuerySet
from apps.common.expressions import JsonbTypeof
from apps.common.models import TimestampedModel
from apps.common.texts import LimitedCharField, RuledCharField
from apps.gigs.models.gig import Gig


class GigRequirement(TimestampedModel, Remembered):
    """A question that the client answers before work begins."""

    PART_OF = "gig"

    class Kind(models.TextChoices):
        TEXT = "text", "文字"
        FILE = "file", "文件"
        CHOICE = "choice", "选项"

    # CASCADE: a question is a part of its gig; an order copies what was asked.
    gig = models.ForeignKey(
        Gig, on_delete=models.CASCADE, related_name="requirements", verbose_name="服务", db_index=False
    )
    kind = RuledCharField("回答方式", max_length=16, choices=Kind, default=Kind.TEXT)
    question = LimitedCharField("问题", max_length=300)
    options = models.JSONField("选项", default=list, blank=True)
    allows_several = models.BooleanField("可多选", default=False)
    is_required = models.BooleanField("必填", default=True)
    sort_order = models.PositiveSmallIntegerField("排序", default=0)

    objects = RememberedQuerySet["GigRequirement"].as_manager()

    class Meta:
        verbose_name = "服务需求问题"
        verbose_name_plural = "服务需求问题"
        ordering = ["sort_order", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["text", "file", "choice"]), name="gigs_gigrequirement_kind_known"
            ),
            models.CheckConstraint(condition=Q(question__regex=r"\S"), name="gigs_gigrequirement_question_not_blank"),
            models.CheckConstraint(
                condition=Exact(JsonbTypeof("options"), "array")
                & (
                    Q(kind="choice", options__1__isnull=False, options__20__isnull=True)
                    | (~Q(kind="choice") & Q(options__0__isnull=True))
                ),
                name="gigs_gigrequirement_choice_has_2_to_20_options",
                violation_error_message="选项题须有 2 到 20 个选项，其他题型没有选项。",
            ),
            models.CheckConstraint(
                condition=Q(kind="choice") | Q(allows_several=False),
                name="gigs_gigrequirement_only_choices_are_several",
            ),
        ]
        indexes = [
            # A gig's questions in order (the guide's prefetch); also the foreign key's index.
            models.Index(fields=["gig", "sort_order", "id"], name="requirements_of_gig_in_order"),
        ]

    def __str__(self) -> str:
        return self.question


class GigFAQ(TimestampedModel, Remembered):
    """A question that clients often ask, and its answer."""

    PART_OF = "gig"

    # CASCADE: a part of its gig.
    gig = models.ForeignKey(Gig, on_delete=models.CASCADE, related_name="faqs", verbose_name="服务", db_index=False)
    question = LimitedCharField("问题", max_length=200)
    answer = models.TextField("回答", max_length=2000)
    sort_order = models.PositiveSmallIntegerField("排序", default=0)

    objects = RememberedQuerySet["GigFAQ"].as_manager()

    class Meta:
        verbose_name = "常见问题"
        verbose_name_plural = "常见问题"
        ordering = ["sort_order", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(question__regex=r"\S", answer__regex=r"\S"),
                name="gigs_gigfaq_question_and_answer_not_blank",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("answer"), 2000), name="gigs_gigfaq_answer_at_most_2000_characters"
            ),
        ]
        indexes = [
            # A gig's answers in order (the guide's prefetch); also the foreign key's index.
            models.Index(fields=["gig", "sort_order", "id"], name="faqs_of_gig_in_order"),
        ]

    def __str__(self) -> str:
        return self.question


class GigExtra(TimestampedModel):
    """A service beside the packages that a client may add to an order, like source files or a faster delivery."""

    # CASCADE: an extra is a part of its gig; one that was ordered is protected by the order.
    gig = models.ForeignKey(Gig, on_delete=models.CASCADE, related_name="extras", verbose_name="服务", db_index=False)
    name = LimitedCharField("附加服务名称", max_length=50)
    description = LimitedCharField("附加服务说明", max_length=300, blank=True)
    price = models.DecimalField("价格（元）", max_digits=12, decimal_places=2, validators=[MinValueValidator(1)])
    currency = RuledCharField("币种", max_length=3, default="CNY", db_default="CNY")
    # Negative: the work is delivered sooner.
    additional_days = models.SmallIntegerField("增加的交付天数", default=0)
    is_active = models.BooleanField("启用", default=True)

    class Meta:
        verbose_name = "附加服务"
        verbose_name_plural = "附加服务"
        ordering = ["price", "id"]
        constraints = [
            # Its index also finds a gig's extras.
            models.UniqueConstraint(fields=["gig", "name"], name="gigs_gigextra_name_once_per_gig"),
            models.CheckConstraint(condition=Q(name__regex=r"\S"), name="gigs_gigextra_name_not_blank"),
            models.CheckConstraint(
                condition=Q(price__gte=1, price__lte=1_000_000),
                name="gigs_gigextra_price_1_to_1_million",
                violation_error_message="价格须在 1 元到 100 万元之间。",
            ),
            models.CheckConstraint(condition=Q(currency="CNY"), name="gigs_gigextra_currency_is_cny"),
            models.CheckConstraint(
                condition=Q(additional_days__gte=-30, additional_days__lte=90),
                name="gigs_gigextra_days_minus_30_to_90",
            ),
        ]

    def __str__(self) -> str:
        return self.name
