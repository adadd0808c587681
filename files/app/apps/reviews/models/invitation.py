"""Asking for a review, and texts to start from."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone

from apps.common.models import StatefulModel, TimestampedModel, Transitions
from apps.common.texts import LimitedCharField, RuledCharField
from apps.orders.models import Order
from apps.reviews.managers import ReviewInvitationQuerySet, ReviewTemplateQuerySet
from apps.reviews.models.review import AuthorRole, Review

ANSWER_WITHIN = timedelta(days=15)


def new_expiry() -> datetime:
    """Return the moment until which an invitation of now is open."""
    return timezone.now() + ANSWER_WITHIN


class ReviewInvitation(StatefulModel):
    """A party of a completed order is asked to review the other one.

    Migration reviews.0004 adds: the order is completed and the invitee one of its parties, and the review that answers
    is the invitee's own of the same order.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "待发送"
        SENT = "sent", "已发送"
        COMPLETED = "completed", "已评价"
        DECLINED = "declined", "已谢绝"
        EXPIRED = "expired", "已过期"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("pending",),
        "pending": ("sent", "completed", "expired"),
        "sent": ("completed", "declined", "expired"),
    }

    # PROTECT (all three): an invitation speaks of a contract, a party and what that party said.
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="review_invitations", verbose_name="订单", db_index=False
    )
    invitee = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="review_invitations", verbose_name="受邀人"
    )
    review = models.OneToOneField(
        Review, on_delete=models.PROTECT, null=True, blank=True, related_name="invitation", verbose_name="评价"
    )
    status = RuledCharField("状态", max_length=16, choices=Status, default=Status.PENDING)
    sent_at = models.DateTimeField("发送时间", null=True, blank=True)
    reminders_sent = models.PositiveSmallIntegerField("提醒次数", default=0)
    expires_at = models.DateTimeField("过期时间", default=new_expiry)

    objects = ReviewInvitationQuerySet.as_manager()

    class Meta:
        verbose_name = "评价邀请"
        verbose_name_plural = "评价邀请"
        constraints = [
            # Its index also finds an order's invitations.
            models.UniqueConstraint(fields=["order", "invitee"], name="reviews_reviewinvitation_once_per_invitee"),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "sent", "completed", "declined", "expired"]),
                name="reviews_reviewinvitation_status_known",
            ),
            models.CheckConstraint(
                condition=Q(status="completed", review__isnull=False)
                | (~Q(status="completed") & Q(review__isnull=True)),
                name="reviews_reviewinvitation_completed_by_a_review",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["sent", "declined"]) | Q(sent_at__isnull=False),
                name="reviews_reviewinvitation_sent_has_a_date",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="reviews_reviewinvitation_expires_after_creation"
            ),
            models.CheckConstraint(
                condition=Q(reminders_sent__lte=3), name="reviews_reviewinvitation_at_most_3_reminders"
            ),
        ]
        indexes = [
            # ReviewInvitationQuerySet.overdue.
            models.Index(
                fields=["expires_at"], name="invitations_open_by_expiry", condition=Q(status__in=["pending", "sent"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.get_status_display()}"


class ReviewTemplate(TimestampedModel):
    """A text of the platform to start a review from, for a role and a number of stars."""

    author_role = RuledCharField("评价人身份", max_length=16, choices=AuthorRole)
    rating = models.PositiveSmallIntegerField("评分", validators=[MinValueValidator(1), MaxValueValidator(5)])
    title = LimitedCharField("标题", max_length=50)
    body = models.TextField("内容", max_length=500)
    is_active = models.BooleanField("启用", default=True)

    objects = ReviewTemplateQuerySet.as_manager()

    class Meta:
        verbose_name = "评价模板"
        verbose_name_plural = "评价模板"
        constraints = [
            # ReviewTemplateQuerySet.for_rating.
            models.UniqueConstraint(
                fields=["author_role", "rating", "title"], name="reviews_reviewtemplate_title_once_per_role_and_rating"
            ),
            models.CheckConstraint(
                condition=Q(author_role__in=["client", "freelancer"]), name="reviews_reviewtemplate_author_role_known"
            ),
            models.CheckConstraint(
                condition=Q(rating__gte=1, rating__lte=5), name="reviews_reviewtemplate_rating_1_to_5"
            ),
            models.CheckConstraint(condition=Q(title__regex=r"\S"), name="reviews_reviewtemplate_title_is_not_empty"),
            models.CheckConstraint(
                condition=Q(body__regex=r"^\s*\S(.*\S){4}\s*$") & Q(LessThanOrEqual(Length("body"), 500)),
                name="reviews_reviewtemplate_body_5_to_500_characters",
            ),
        ]

    def __str__(self) -> str:
        return self.title
