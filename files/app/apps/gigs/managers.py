"""Queries on services."""

import hashlib
from typing import TYPE_CHECKING

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import models

from apps.common.caching import (
    GIG_SECONDS,
    SEARCH_SECONDS,
    RememberedQuerySet,
    any_stamp,
    bulk_stamp,
    remembered,
    row_stamp,
)
from apps.common.reports import ReportQuerySet
from apps.common.search.models import SearchQuerySet
from apps.common.search.parts import part_of_text

if TYPE_CHECKING:
    from datetime import date, datetime
    from uuid import UUID

    from apps.accounts.models import User
    from apps.gigs.models import (  # noqa: F401 (most are named in strings below)
        Category,
        Gig,
        GigFavorite,
        GigReport,
        GigSearchHistory,
        GigStat,
        GigView,
    )

HIGH_RATING = "4.50"
# What is loaded along with a gig and has no life of its own.
PARTS = ("packages", "requirements", "faqs")


class CategoryQuerySet(RememberedQuerySet["Category"]):
    def below(self, category: "Category") -> "CategoryQuerySet":
        """Return the active categories one level below, in order."""
        return self.filter(parent=category, parent_level=category.level, is_active=True).order_by("sort_order")


# Ignored: the plugin gives each base an `as_manager` of its own.
class GigQuerySet(RememberedQuerySet["Gig"], SearchQuerySet["Gig"]):  # type: ignore[override]  # see above
    def remembered(self, gig_id: "UUID") -> "Gig | None":
        """Return an active gig as `with_people` does, from the cache where it is there; None when there is none."""
        category = apps.get_model("gigs", "Category")
        parts = [relation.related_model for relation in self.model._meta.related_objects if relation.name in PARTS]
        gig = remembered(
            f"gig:{gig_id}",
            GIG_SECONDS,
            (row_stamp(self.model, gig_id), any_stamp(category), *map(bulk_stamp, (self.model, category, *parts))),
            lambda: self.active().select_related("category").prefetch_related(*PARTS).filter(pk=gig_id).first(),
        )
        # The person has a life of their own in the cache.
        if gig and (person := get_user_model().objects.remembered(gig.freelancer_id)):
            gig.freelancer = person
        return gig

    def remembered_search(self, text: str, limit: int = 20) -> "list[Gig]":
        """Return the best active gigs with all words of a text. Which ones is remembered, rows are read as they are."""
        words = " ".join(text.casefold().split())
        digest = hashlib.sha256(words.encode()).hexdigest()
        keys = remembered(
            f"search:{limit}:{digest}",
            SEARCH_SECONDS,
            (any_stamp(self.model),),
            lambda: list(self.active().search(words).values_list("pk", flat=True)[:limit]),
        )
        rows = self.active().with_people().in_bulk(keys)
        return [rows[key] for key in keys if key in rows]

    def active(self) -> "GigQuerySet":
        return self.filter(status="active")

    def with_people(self) -> "GigQuerySet":
        """Load freelancer, category, packages, requirements and faqs in four queries, however many gigs there are."""
        return self.select_related("freelancer", "category").prefetch_related(*PARTS)

    def in_category(self, category: "Category") -> "GigQuerySet":
        """Return a category's active gigs, newest first."""
        return self.active().filter(category=category).order_by("-created_at", "-id")

    def of_freelancer(self, freelancer_id: "UUID") -> "GigQuerySet":
        """Return a freelancer's gigs in every state, newest first."""
        return self.filter(freelancer_id=freelancer_id).order_by("-created_at", "-id")

    def top_rated(self) -> "GigQuerySet":
        """Return active gigs with a high rating, best first."""
        return self.active().filter(rating_average__gte=HIGH_RATING).order_by("-rating_average", "-id")

    def with_part_of_title(self, part: str) -> "GigQuerySet":
        """Return active gigs whose title contains these characters, in upper or lower case, newest first.

        For Latin names ("script" in "JavaScript"); words, Chinese ones above all, are found by `matching`.
        Raises ValueError for fewer than three characters.
        """
        return self.active().filter(title__icontains=part_of_text(part)).order_by("-created_at", "-id")


class GigFavoriteQuerySet(models.QuerySet["GigFavorite"]):
    def add(self, user: "User", gig: "Gig") -> "GigFavorite":
        """Keep the gig in mind; again is the same as once. Raises IntegrityError for one's own gig."""
        return self.get_or_create(user=user, gig=gig, defaults={"freelancer_id": gig.freelancer_id})[0]

    def of_user(self, user_id: "UUID") -> "GigFavoriteQuerySet":
        """Return what a person keeps in mind, the newest first."""
        return self.filter(user_id=user_id).order_by("-created_at", "-id")

    def of_gig(self, gig_id: "UUID") -> "GigFavoriteQuerySet":
        """Return who keeps a gig in mind, the newest first."""
        return self.filter(gig_id=gig_id).order_by("-created_at")


class GigViewQuerySet(models.QuerySet["GigView"]):
    def of_gig(self, gig_id: "UUID", since: "datetime", until: "datetime") -> "GigViewQuerySet":
        """Return the views of a gig in this time, its end not included."""
        return self.filter(gig_id=gig_id, created_at__gte=since, created_at__lt=until)

    def of_viewer(self, viewer_id: "UUID") -> "GigViewQuerySet":
        """Return what a person looked at, the latest first."""
        return self.filter(viewer_id=viewer_id).order_by("-created_at", "-id")


class GigSearchHistoryQuerySet(models.QuerySet["GigSearchHistory"]):
    def of_user(self, user_id: "UUID") -> "GigSearchHistoryQuerySet":
        """Return what a person searched for, the latest first."""
        return self.filter(user_id=user_id).order_by("-created_at", "-id")

    def without_result(self, since: "datetime") -> "GigSearchHistoryQuerySet":
        """Return searches that found nothing: words that the dictionary lacks, services that nobody offers."""
        return self.filter(result_count=0, created_at__gte=since).order_by("-created_at")


class GigStatQuerySet(models.QuerySet["GigStat"]):
    def of_gig(self, gig_id: "UUID", first: "date", last: "date") -> "GigStatQuerySet":
        """Return a gig's days from `first` to `last`, both included."""
        return self.filter(gig_id=gig_id, day__range=(first, last)).order_by("day")

    def most_viewed(self, day: "date") -> "GigStatQuerySet":
        """Return the gigs of a day, the most viewed first."""
        return self.filter(day=day).order_by("-view_count")


class GigReportQuerySet(ReportQuerySet["GigReport"]):
    def of_gig(self, gig_id: "UUID") -> "GigReportQuerySet":
        """Return the reports of a gig, newest first."""
        return self.filter(gig_id=gig_id).order_by("-created_at")
