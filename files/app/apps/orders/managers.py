"""Queries on orders."""

from typing import TYPE_CHECKING, Any

from django.db import models, router, transaction
from django.db.models import Max, Q
from django.db.models.functions import Now

from apps.common.caching import STATISTICS_SECONDS, any_stamp, remembered

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from uuid import UUID

    # Some are named in strings below only.
    from apps.orders.models import (  # noqa: F401 (see above)
        CategorySummary,
        Delivery,
        FreelancerSummary,
        Order,
        OrderDispute,
        OrderMessage,
        OrderRequirement,
        OrderReview,
        OrderStat,
    )


class OrderQuerySet(models.QuerySet["Order"]):
    def with_people(self) -> "OrderQuerySet":
        """Load client, freelancer and gig in the same query."""
        return self.select_related("client", "freelancer", "gig")

    def with_contract(self) -> "OrderQuerySet":
        """Load what was agreed as well, in two queries more, however many orders there are."""
        return self.with_people().prefetch_related("order_extras", "requirements")

    def of_client(self, client_id: "UUID", *statuses: str) -> "OrderQuerySet":
        """Return a client's orders in these states, newest first."""
        return self.filter(client_id=client_id, status__in=statuses).order_by("-created_at", "-id")

    def of_freelancer(self, freelancer_id: "UUID", *statuses: str) -> "OrderQuerySet":
        """Return a freelancer's orders in these states, newest first."""
        return self.filter(freelancer_id=freelancer_id, status__in=statuses).order_by("-created_at", "-id")

    def overdue(self) -> "OrderQuerySet":
        """Return orders in work whose date has passed, the oldest first."""
        return self.filter(status__in=["in_progress", "revision"], due_at__lt=Now()).order_by("due_at")

    def without_fee(self) -> "OrderQuerySet":
        """Return orders that cannot be paid before the platform has written its fee, the oldest first."""
        return self.filter(status="pending_payment", service_fee__isnull=True).order_by("created_at", "id")

    def not_begun(self, paid_before: "datetime") -> "OrderQuerySet":
        """Return orders that were paid before a moment and are not in work yet, the oldest first."""
        return self.filter(status="paid", paid_at__lt=paid_before).order_by("paid_at")


class OrderRequirementQuerySet(models.QuerySet["OrderRequirement"]):
    def missing(self, order_id: "UUID") -> "OrderRequirementQuerySet":
        """Return an order's required questions without an answer, in order."""
        return self.filter(order_id=order_id, is_required=True, answered_at__isnull=True).order_by("sort_order")


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def of_order(self, order_id: "UUID") -> "DeliveryQuerySet":
        """Return an order's deliveries, first to last."""
        return self.filter(order_id=order_id).order_by("number")

    def unanswered(self, before: "datetime") -> "DeliveryQuerySet":
        """Return what was delivered before a moment and waits for the client, the oldest first, with its order."""
        return self.filter(status="submitted", created_at__lt=before).select_related("order").order_by("created_at")

    def submit(self, order: "Order", message: str, files: "Sequence[dict[str, Any]]" = ()) -> "Delivery":
        """Hand work over under the order's next number and take the order to "delivered".

        Raises IntegrityError when the order is not in work.
        """
        alias = router.db_for_write(self.model)
        with transaction.atomic(using=alias):
            # The order's lock puts two deliveries at once in a line: each takes its own number.
            type(order).objects.using(alias).select_for_update(no_key=True).get(pk=order.pk)
            last = self.using(alias).filter(order=order).aggregate(last=Max("number"))["last"] or 0
            made = self.using(alias).create(order=order, number=last + 1, message=message, files=list(files))
            order.advance("delivered")
        return made

    def accept_waiting(self, order_id: "UUID") -> int:
        """Accept the delivery of an order that waits for the client, if any; returns how many there were."""
        return self.filter(order_id=order_id, status="submitted").update(
            status="accepted", decided_at=Now(), updated_at=Now()
        )


class OrderMessageQuerySet(models.QuerySet["OrderMessage"]):
    def of_order(self, order_id: "UUID") -> "OrderMessageQuerySet":
        """Return an order's messages, newest first."""
        return self.filter(order_id=order_id).order_by("-created_at", "-id")

    def unread_by(self, person_id: "UUID", order_id: "UUID") -> "OrderMessageQuerySet":
        """Return what the other party of an order wrote and this person has not read."""
        return self.filter(~Q(sender_id=person_id), order_id=order_id, read_at__isnull=True)


class OrderDisputeQuerySet(models.QuerySet["OrderDispute"]):
    def waiting(self) -> "OrderDisputeQuerySet":
        """Return disputes that the staff has to decide, the oldest first."""
        return self.filter(status__in=["open", "under_review"]).order_by("created_at", "id")


class OrderReviewQuerySet(models.QuerySet["OrderReview"]):
    def of_reviewer(self, reviewer_id: "UUID", *statuses: str) -> "OrderReviewQuerySet":
        """Return the requests that a person got, in these states, newest first."""
        return self.filter(reviewer_id=reviewer_id, status__in=statuses).order_by("-created_at", "-id")

    def run_out(self) -> "OrderReviewQuerySet":
        """Return requests whose time is over, the oldest first."""
        return self.filter(status="requested", expires_at__lte=Now()).order_by("expires_at")


class OrderStatQuerySet(models.QuerySet["OrderStat"]):
    def of_category(self, category_id: "UUID", first: "date", last: "date") -> "OrderStatQuerySet":
        """Return a category's figures from the first to the last day, both included."""
        return self.filter(category_id=category_id, day__range=(first, last)).order_by("day")

    def of_day(self, day: "date") -> "OrderStatQuerySet":
        """Return all categories of a day, the one with the highest sales first."""
        return self.filter(day=day).order_by("-paid_amount")


class CategorySummaryQuerySet(models.QuerySet["CategorySummary"]):
    def busiest(self) -> "list[CategorySummary]":
        """Return all categories with their names, the one with the most orders first; remembered by the cache."""
        return remembered(
            "busiest-categories",
            STATISTICS_SECONDS,
            (any_stamp(self.model),),
            lambda: list(self.select_related("category").order_by("-order_count", "category_id")),
        )


class FreelancerSummaryQuerySet(models.QuerySet["FreelancerSummary"]):
    def of(self, freelancer_id: "UUID") -> "FreelancerSummary | None":
        """Return a freelancer's figures, None for one without orders; remembered by the cache."""
        return remembered(
            f"freelancer-summary:{freelancer_id}",
            STATISTICS_SECONDS,
            (any_stamp(self.model),),
            lambda: self.filter(freelancer_id=freelancer_id).first(),
        )
