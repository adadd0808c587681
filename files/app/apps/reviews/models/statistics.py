"""Figures made of reviews, filled by `roll_up_statistics`."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import CombinedExpression

from apps.common.models import TimestampedModel
from apps.common.texts import RuledCharField
from apps.reviews.managers import UserRatingQuerySet


def _stars_total() -> CombinedExpression:
    return F("stars_1") + F("stars_2") + F("stars_3") + F("stars_4") + F("stars_5")


class UserRating(TimestampedModel):
    """What the published reviews about a person in one role come to."""

    class Role(models.TextChoices):
        FREELANCER = "freelancer", "自由职业者"
        CLIENT = "client", "客户"

    # CASCADE: a figure about a person goes with the account.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="ratings", verbose_name="用户", db_index=False
    )
    role = RuledCharField("身份", max_length=16, choices=Role)
    review_count = models.PositiveIntegerField("评价数", default=0)
    rating_overall = models.DecimalField("总体评分", max_digits=3, decimal_places=2, default=0)
    rating_communication = models.DecimalField("沟通评分", max_digits=3, decimal_places=2, default=0)
    rating_quality = models.DecimalField("质量评分", max_digits=3, decimal_places=2, default=0)
    rating_timeliness = models.DecimalField("时效评分", max_digits=3, decimal_places=2, default=0)
    stars_1 = models.PositiveIntegerField("一星数", default=0)
    stars_2 = models.PositiveIntegerField("二星数", default=0)
    stars_3 = models.PositiveIntegerField("三星数", default=0)
    stars_4 = models.PositiveIntegerField("四星数", default=0)
    stars_5 = models.PositiveIntegerField("五星数", default=0)
    last_review_at = models.DateTimeField("最近评价时间", null=True, blank=True)

    objects = UserRatingQuerySet.as_manager()

    class Meta:
        verbose_name = "用户评分"
        verbose_name_plural = "用户评分"
        constraints = [
            # Its index also finds a person's ratings.
            models.UniqueConstraint(fields=["user", "role"], name="reviews_userrating_once_per_user_and_role"),
            models.CheckConstraint(
                condition=Q(role__in=["freelancer", "client"]), name="reviews_userrating_role_known"
            ),
            models.CheckConstraint(
                condition=Q(review_count=_stars_total()), name="reviews_userrating_stars_add_up_to_the_count"
            ),
            models.CheckConstraint(
                condition=Q(review_count=0, rating_overall=0, rating_communication=0, rating_quality=0,
                            rating_timeliness=0, last_review_at__isnull=True)
                | Q(review_count__gt=0, rating_overall__range=(1, 5), rating_communication__range=(1, 5),
                    rating_quality__range=(1, 5), rating_timeliness__range=(1, 5), last_review_at__isnull=False),
                name="reviews_userrating_1_to_5_exactly_with_reviews",
            ),
        ]  # fmt: skip
        indexes = [
            # UserRatingQuerySet.best.
            models.Index(fields=["role", "-rating_overall", "-id"], name="ratings_best"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role} {self.rating_overall}"


class ReviewStat(TimestampedModel):
    """The whole platform's reviews of one day in China."""

    day = models.DateField("日期")
    reviews_published = models.PositiveIntegerField("发布评价数", default=0)
    reviews_hidden = models.PositiveIntegerField("隐藏评价数", default=0)
    replies_written = models.PositiveIntegerField("回复数", default=0)
    helpful_votes = models.PositiveIntegerField("有用投票数", default=0)
    reports_filed = models.PositiveIntegerField("举报数", default=0)
    invitations_sent = models.PositiveIntegerField("发出邀请数", default=0)
    invitations_completed = models.PositiveIntegerField("完成邀请数", default=0)
    stars_1 = models.PositiveIntegerField("一星数", default=0)
    stars_2 = models.PositiveIntegerField("二星数", default=0)
    stars_3 = models.PositiveIntegerField("三星数", default=0)
    stars_4 = models.PositiveIntegerField("四星数", default=0)
    stars_5 = models.PositiveIntegerField("五星数", default=0)
    # NULL on a day without reviews.
    rating_overall = models.DecimalField("平均总体评分", max_digits=3, decimal_places=2, null=True, blank=True)

    class Meta:
        verbose_name = "评价日统计"
        verbose_name_plural = "评价日统计"
        constraints = [
            models.UniqueConstraint(fields=["day"], name="reviews_reviewstat_once_per_day"),
            models.CheckConstraint(
                condition=Q(reviews_published=_stars_total()), name="reviews_reviewstat_stars_add_up_to_published"
            ),
            models.CheckConstraint(
                condition=Q(reviews_published=0, rating_overall__isnull=True)
                | Q(reviews_published__gt=0, rating_overall__range=(1, 5)),
                name="reviews_reviewstat_1_to_5_exactly_with_reviews",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}"
