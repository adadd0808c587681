"""What readers think of a review."""

from django.conf import settings
from django.db import models

from apps.common.models import TimestampedModel
from apps.common.reports import Report, ReportQuerySet
from apps.reviews.models.review import Review


class ReviewHelpful(TimestampedModel):
    """A reader found a review helpful, or not. Its author has no vote (migration reviews.0004)."""

    # CASCADE: a vote is a part of what it is about.
    review = models.ForeignKey(
        Review, on_delete=models.CASCADE, related_name="helpful_votes", verbose_name="评价", db_index=False
    )
    # CASCADE: without the person it says nothing.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="review_votes", verbose_name="用户"
    )
    is_helpful = models.BooleanField("有帮助", default=True)

    class Meta:
        verbose_name = "评价有用投票"
        verbose_name_plural = "评价有用投票"
        constraints = [
            # Its index also finds a review's votes.
            models.UniqueConstraint(fields=["review", "user"], name="reviews_reviewhelpful_once_per_user"),
        ]

    def __str__(self) -> str:
        return f"{self.review_id} {self.is_helpful}"


class ReviewReport(Report):
    """A review breaks the rules, says somebody who is not its author (migration reviews.0004). Who handles it is staff
    (migration reviews.0008)."""

    # PROTECT: what was reported is evidence.
    review = models.ForeignKey(
        Review, on_delete=models.PROTECT, related_name="reports", verbose_name="评价", db_index=False
    )

    objects = ReportQuerySet.as_manager()

    class Meta(Report.Meta):
        verbose_name = "评价举报"
        verbose_name_plural = "评价举报"
        constraints = [
            *Report.Meta.constraints,
            # Its index also finds a review's reports.
            models.UniqueConstraint(
                fields=["review", "reporter"], name="reviews_reviewreport_once_per_review_and_reporter"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.review_id} {self.get_reason_display()}"
