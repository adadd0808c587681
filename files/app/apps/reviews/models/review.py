"""One party's verdict on the other."""

from collections.abc import Mapping
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from apps.common.models import StatefulModel, Transitions
from apps.common.rollup import by_day
from apps.common.search.models import Searchable
from apps.common.texts import RuledCharField
from apps.gigs.models import Gig
from apps.orders.models import Order
from apps.reviews.managers import ReviewQuerySet

STARS = [MinValueValidator(1), MaxValueValidator(5)]


class AuthorRole(models.TextChoices):
    CLIENT = "client", "客户"
    FREELANCER = "freelancer", "自由职业者"


class Review(Searchable, StatefulModel):
    """A party of a completed order rates the other one, once.

    Migration reviews.0004 adds what a model cannot say: the order is completed, author and subject are its two
    parties, the gig is the order's, the role follows from it, and what is published stays as it was said.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "待审核"
        PUBLISHED = "published", "已发布"
        HIDDEN = "hidden", "已隐藏"
        REMOVED = "removed", "已删除"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("pending", "published"),
        "pending": ("published", "removed"),
        "published": ("hidden", "removed"),
        "hidden": ("published", "removed"),
    }
    SEARCHED: ClassVar[Mapping[str, str]] = {"content": "A", "reply_text": "C"}

    # PROTECT (all four): a review speaks of a contract, its parties and what was sold.
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="reviews", verbose_name="订单", db_index=False
    )
    gig = models.ForeignKey(Gig, on_delete=models.PROTECT, related_name="reviews", verbose_name="服务", db_index=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews_written", verbose_name="评价人",
        db_index=False,
    )  # fmt: skip
    subject = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews_received", verbose_name="被评价人",
        db_index=False,
    )  # fmt: skip
    # Set by the database from the order.
    author_role = RuledCharField("评价人身份", max_length=16, choices=AuthorRole, db_default="client", editable=False)
    rating_overall = models.PositiveSmallIntegerField("总体评分", validators=STARS)
    rating_communication = models.PositiveSmallIntegerField("沟通评分", validators=STARS)
    rating_quality = models.PositiveSmallIntegerField("质量评分", validators=STARS)
    rating_timeliness = models.PositiveSmallIntegerField("时效评分", validators=STARS)
    content = models.TextField("评价内容", max_length=2000)
    # What shows a review leaves the name out. The row names its author, and hides that from nobody who reads the table.
    is_anonymous = models.BooleanField("匿名评价", default=False)
    status = RuledCharField("状态", max_length=16, choices=Status, default=Status.PENDING)
    published_at = models.DateTimeField("发布时间", null=True, blank=True)
    reply_text = models.TextField("回复内容", max_length=1000, blank=True)
    replied_at = models.DateTimeField("回复时间", null=True, blank=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        verbose_name = "评价"
        verbose_name_plural = "评价"
        constraints = [
            # Its index also finds an order's reviews.
            models.UniqueConstraint(fields=["order", "author"], name="reviews_review_once_per_order_and_author"),
            # Target of the foreign key that says which review answered an invitation.
            models.UniqueConstraint(fields=["id", "order", "author"], name="reviews_review_id_order_and_author"),
            models.CheckConstraint(
                condition=Q(author_role__in=["client", "freelancer"]), name="reviews_review_author_role_known"
            ),
            models.CheckConstraint(
                condition=Q(rating_overall__gte=1, rating_overall__lte=5), name="reviews_review_overall_1_to_5"
            ),
            models.CheckConstraint(
                condition=Q(rating_communication__gte=1, rating_communication__lte=5),
                name="reviews_review_communication_1_to_5",
            ),
            models.CheckConstraint(
                condition=Q(rating_quality__gte=1, rating_quality__lte=5), name="reviews_review_quality_1_to_5"
            ),
            models.CheckConstraint(
                condition=Q(rating_timeliness__gte=1, rating_timeliness__lte=5), name="reviews_review_timeliness_1_to_5"
            ),
            models.CheckConstraint(
                condition=Q(content__regex=r"^\s*\S(.*\S){4}\s*$") & Q(LessThanOrEqual(Length("content"), 2000)),
                name="reviews_review_content_5_to_2000_characters",
                violation_error_message="评价内容须为 5 到 2000 个字符。",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "published", "hidden", "removed"]),
                name="reviews_review_status_known",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["published", "hidden"]) | Q(published_at__isnull=False),
                name="reviews_review_published_has_a_date",
            ),
            models.CheckConstraint(
                condition=Q(reply_text="", replied_at__isnull=True)
                | (Q(reply_text__regex=r"\S", replied_at__isnull=False)
                   & Q(LessThanOrEqual(Length("reply_text"), 1000))),
                name="reviews_review_reply_1_to_1000_characters_with_a_date",
            ),
        ]  # fmt: skip
        indexes = [
            # ReviewQuerySet.matching and .search.
            GinIndex(fields=["search_vector"], name="reviews_by_words"),
            # ReviewQuerySet.of_gig; also the foreign key's index.
            models.Index(fields=["gig", "author_role", "status", "-created_at", "-id"], name="reviews_of_gig_newest"),
            # ReviewQuerySet.about; also the foreign key's index.
            models.Index(fields=["subject", "status", "-created_at", "-id"], name="reviews_about_newest"),
            # ReviewQuerySet.written_by; also the foreign key's index.
            models.Index(fields=["author", "-created_at", "-id"], name="reviews_written_by_newest"),
            # The daily roll-up.
            by_day("reviews_by_day", "created_at", "published_at", "replied_at"),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.rating_overall}"
