"""Services on offer and their price levels."""

from collections.abc import Mapping
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length, Upper
from django.db.models.lookups import LessThanOrEqual

from apps.common.caching import Remembered, RememberedQuerySet
from apps.common.models import StatefulModel, TimestampedModel, Transitions
from apps.common.search.models import Searchable
from apps.common.texts import LimitedCharField, LimitedURLField, RuledCharField
from apps.gigs.managers import HIGH_RATING, GigQuerySet
from apps.gigs.models.category import Category


class Gig(Searchable, StatefulModel, Remembered):
    """A service that a freelancer offers."""

    class Status(models.TextChoices):
        DRAFT = "draft", "草稿"
        PENDING_REVIEW = "pending_review", "待审核"
        ACTIVE = "active", "已上架"
        PAUSED = "paused", "已暂停"
        REJECTED = "rejected", "审核未通过"
        ARCHIVED = "archived", "已下架"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("draft",),
        "draft": ("pending_review", "archived"),
        "pending_review": ("active", "rejected", "draft"),
        "active": ("paused", "rejected", "archived"),
        "paused": ("active", "archived"),
        "rejected": ("draft", "archived"),
    }
    SEARCHED: ClassVar[Mapping[str, str]] = {"title": "A", "description": "B"}

    # PROTECT: orders and the ledger refer to gigs; an account is erased by emptying it, not by deleting its row.
    freelancer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="gigs", verbose_name="自由职业者",
        db_index=False,
    )  # fmt: skip
    # PROTECT: a category in use is switched off, not deleted.
    category = models.ForeignKey(
        Category, on_delete=models.PROTECT, related_name="gigs", verbose_name="分类", db_index=False
    )
    title = RuledCharField("标题", max_length=80)
    description = models.TextField("服务描述", max_length=5000, blank=True)
    status = RuledCharField("状态", max_length=16, choices=Status, default=Status.DRAFT)
    cover_url = LimitedURLField("封面图", max_length=500, blank=True)
    rating_average = models.DecimalField("平均评分", max_digits=3, decimal_places=2, default=0)
    rating_count = models.PositiveIntegerField("评价数", default=0)
    published_at = models.DateTimeField("上架时间", null=True, blank=True)

    objects = GigQuerySet.as_manager()

    class Meta:
        verbose_name = "服务"
        verbose_name_plural = "服务"
        constraints = [
            # Target of the foreign key that says whose gig an order is about.
            models.UniqueConstraint(fields=["id", "freelancer"], name="gigs_gig_id_and_freelancer"),
            models.CheckConstraint(
                condition=Q(status__in=["draft", "pending_review", "active", "paused", "rejected", "archived"]),
                name="gigs_gig_status_known",
            ),
            models.CheckConstraint(
                condition=Q(title__regex=r"^\S.{3,78}\S$"),
                name="gigs_gig_title_5_to_80_characters",
                violation_error_message="标题须为 5 到 80 个字符，首尾不含空格。",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("description"), 5000),
                name="gigs_gig_description_at_most_5000_characters",
            ),
            models.CheckConstraint(
                condition=Q(rating_average__gte=0, rating_average__lte=5), name="gigs_gig_rating_0_to_5"
            ),
            models.CheckConstraint(
                condition=Q(rating_count__gt=0) | Q(rating_average=0), name="gigs_gig_no_rating_without_count"
            ),
            models.CheckConstraint(
                condition=~Q(status="active") | Q(published_at__isnull=False), name="gigs_gig_active_is_published"
            ),
        ]
        indexes = [
            # GigQuerySet.matching and .search.
            GinIndex(fields=["search_vector"], name="gigs_by_words"),
            # GigQuerySet.with_part_of_title: UPPER is how `icontains` compares.
            GinIndex(
                OpClass(Upper("title"), "gin_trgm_ops"), name="gigs_by_part_of_title", condition=Q(status="active")
            ),
            # GigQuerySet.in_category; also the foreign key's index.
            models.Index(fields=["category", "status", "-created_at", "-id"], name="gigs_in_category_newest"),
            # GigQuerySet.of_freelancer; also the foreign key's index.
            models.Index(fields=["freelancer", "-created_at", "-id"], name="gigs_of_freelancer_newest"),
            # GigQuerySet.top_rated.
            models.Index(
                fields=["-rating_average", "-id"],
                name="gigs_top_rated",
                condition=Q(status="active", rating_average__gte=HIGH_RATING),
            ),
        ]

    def __str__(self) -> str:
        return self.title


class GigPackage(TimestampedModel, Remembered):
    """One of up to three price levels of a gig."""

    PART_OF = "gig"

    class Tier(models.TextChoices):
        BASIC = "basic", "基础版"
        STANDARD = "standard", "标准版"
        PREMIUM = "premium", "高级版"

    # CASCADE: a package is a part of its gig; one that was ordered is protected by the order.
    gig = models.ForeignKey(Gig, on_delete=models.CASCADE, related_name="packages", verbose_name="服务", db_index=False)
    tier = RuledCharField("套餐级别", max_length=16, choices=Tier)
    name = LimitedCharField("套餐名称", max_length=50)
    description = LimitedCharField("套餐内容", max_length=500, blank=True)
    price = models.DecimalField("价格（元）", max_digits=12, decimal_places=2, validators=[MinValueValidator(1)])
    currency = RuledCharField("币种", max_length=3, default="CNY", db_default="CNY")
    delivery_days = models.PositiveSmallIntegerField(
        "交付天数", validators=[MinValueValidator(1), MaxValueValidator(365)]
    )
    # NULL: as many as it takes.
    revisions = models.PositiveSmallIntegerField("修改次数", null=True, blank=True, default=1)
    is_active = models.BooleanField("启用", default=True)

    objects = RememberedQuerySet["GigPackage"].as_manager()

    class Meta:
        verbose_name = "服务套餐"
        verbose_name_plural = "服务套餐"
        ordering = ["price"]
        constraints = [
            # Its index also finds a gig's packages.
            models.UniqueConstraint(fields=["gig", "tier"], name="gigs_gigpackage_tier_once_per_gig"),
            # Target of the foreign key that says which gig an ordered package belongs to.
            models.UniqueConstraint(fields=["id", "gig"], name="gigs_gigpackage_id_and_gig"),
            models.CheckConstraint(
                condition=Q(tier__in=["basic", "standard", "premium"]), name="gigs_gigpackage_tier_known"
            ),
            models.CheckConstraint(
                condition=Q(price__gte=1, price__lte=10_000_000),
                name="gigs_gigpackage_price_1_to_10_million",
                violation_error_message="价格须在 1 元到 1000 万元之间。",
            ),
            models.CheckConstraint(condition=Q(currency="CNY"), name="gigs_gigpackage_currency_is_cny"),
            models.CheckConstraint(
                condition=Q(delivery_days__gte=1, delivery_days__lte=365), name="gigs_gigpackage_delivery_1_to_365_days"
            ),
            models.CheckConstraint(
                condition=Q(revisions__isnull=True) | Q(revisions__lte=99), name="gigs_gigpackage_revisions_at_most_99"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_tier_display()} {self.name}"
