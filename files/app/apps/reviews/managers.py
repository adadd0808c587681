"""Queries on reviews."""

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now

from apps.common.search.fields import words_query
from apps.common.search.models import SearchQuerySet

if TYPE_CHECKING:
    from uuid import UUID

    from apps.reviews.models import (
        Review,  # noqa: F401 (these are named in strings below)
        ReviewInvitation,  # noqa: F401 (the same)
        ReviewTemplate,  # noqa: F401 (the same)
        UserRating,  # noqa: F401 (the same)
    )


class PublishedWith(models.Func):
    """Keys of the published reviews with all words of a query, by a function of migration reviews.0014."""

    template = "SELECT published_reviews_with(%(expressions)s)"
    output_field = models.UUIDField()


class ReviewQuerySet(SearchQuerySet["Review"]):
    def matching(self, text: str) -> "ReviewQuerySet":
        """Return the published reviews that have all words of a text, whoever asks."""
        return self.filter(pk__in=PublishedWith(words_query(text)))

    def published(self) -> "ReviewQuerySet":
        return self.filter(status="published")

    def with_people(self) -> "ReviewQuerySet":
        """Load author, subject and gig in the same query."""
        return self.select_related("author", "subject", "gig")

    def of_gig(self, gig_id: "UUID") -> "ReviewQuerySet":
        """Return what clients published about a gig, newest first."""
        return self.published().filter(gig_id=gig_id, author_role="client").order_by("-created_at", "-id")

    def about(self, subject_id: "UUID") -> "ReviewQuerySet":
        """Return what was published about a person, newest first."""
        return self.published().filter(subject_id=subject_id).order_by("-created_at", "-id")

    def written_by(self, author_id: "UUID") -> "ReviewQuerySet":
        """Return a person's own reviews in every state, newest first."""
        return self.filter(author_id=author_id).order_by("-created_at", "-id")


class ReviewInvitationQuerySet(models.QuerySet["ReviewInvitation"]):
    def overdue(self) -> "ReviewInvitationQuerySet":
        """Return invitations whose time has passed unanswered, the oldest first."""
        return self.filter(status__in=["pending", "sent"], expires_at__lte=Now()).order_by("expires_at")

    def expire(self) -> int:
        """Close what is overdue and return how many that were."""
        return self.overdue().order_by().update(status="expired", updated_at=Now())


class ReviewTemplateQuerySet(models.QuerySet["ReviewTemplate"]):
    def for_rating(self, author_role: str, rating: int) -> "ReviewTemplateQuerySet":
        """Return the texts that fit a role and a number of stars."""
        return self.filter(author_role=author_role, rating=rating, is_active=True).order_by("title")


class UserRatingQuerySet(models.QuerySet["UserRating"]):
    def best(self, role: str, reviews_at_least: int) -> "UserRatingQuerySet":
        """Return the best rated people in a role with enough reviews, best first."""
        return self.filter(role=role, review_count__gte=reviews_at_least).order_by("-rating_overall", "-id")
