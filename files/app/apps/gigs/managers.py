"""Queries on services."""

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from uuid import UUID

    from apps.gigs.models import Category, Gig  # noqa: F401 (named in a string below)


HIGH_RATING = "4.50"


class GigQuerySet(models.QuerySet["Gig"]):
    def active(self) -> "GigQuerySet":
        return self.filter(status="active")

    def with_people(self) -> "GigQuerySet":
        """Load freelancer, category and packages in two queries, however many gigs there are."""
        return self.select_related("freelancer", "category").prefetch_related("packages")

    def in_category(self, category: "Category") -> "GigQuerySet":
        """Return a category's active gigs, newest first."""
        return self.active().filter(category=category).order_by("-created_at", "-id")

    def of_freelancer(self, freelancer_id: "UUID") -> "GigQuerySet":
        """Return a freelancer's gigs in every state, newest first."""
        return self.filter(freelancer_id=freelancer_id).order_by("-created_at", "-id")

    def top_rated(self) -> "GigQuerySet":
        """Return active gigs with a high rating, best first."""
        return self.active().filter(rating_average__gte=HIGH_RATING).order_by("-rating_average", "-id")
