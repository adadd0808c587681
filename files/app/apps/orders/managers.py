"""Queries on orders."""

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now

if TYPE_CHECKING:
    from uuid import UUID

    from apps.orders.models import Order  # noqa: F401 (named in a string below)


class OrderQuerySet(models.QuerySet["Order"]):
    def with_people(self) -> "OrderQuerySet":
        """Load client, freelancer and gig in the same query."""
        return self.select_related("client", "freelancer", "gig")

    def of_client(self, client_id: "UUID", *statuses: str) -> "OrderQuerySet":
        """Return a client's orders in these states, newest first."""
        return self.filter(client_id=client_id, status__in=statuses).order_by("-created_at", "-id")

    def of_freelancer(self, freelancer_id: "UUID", *statuses: str) -> "OrderQuerySet":
        """Return a freelancer's orders in these states, newest first."""
        return self.filter(freelancer_id=freelancer_id, status__in=statuses).order_by("-created_at", "-id")

    def overdue(self) -> "OrderQuerySet":
        """Return orders in work whose date has passed, the oldest first."""
        return self.filter(status__in=["in_progress", "revision"], due_at__lt=Now()).order_by("due_at")
