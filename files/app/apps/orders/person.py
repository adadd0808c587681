"""What of a person stands in orders: contracts, kept three years and longer (E-commerce Law of the PRC, art. 31)."""

from django.db.models import Q

from apps.common.person import Nobody, Obstacle, Personal
from apps.orders.models import (
    CategorySummary,
    Delivery,
    FreelancerSummary,
    Order,
    OrderCancellation,
    OrderDispute,
    OrderExtra,
    OrderMessage,
    OrderRequirement,
    OrderReview,
    OrderStat,
    OrderStatusHistory,
)

PARTIES = ("client", "freelancer")
OF_ORDER = tuple(f"order__{party}" for party in PARTIES)

DECLARED = (
    Personal(
        model=OrderReview,
        people=(*OF_ORDER, "requested_by", "reviewer"),
        redacted="message",
        facts="reminders reminded_at expires_at",
    ),
    Personal(model=OrderCancellation, people=(*OF_ORDER, "requested_by"), redacted="note answer", facts="answered_at"),
    Personal(
        model=OrderDispute,
        people=(*OF_ORDER, "raised_by"),
        mentioned=("handled_by",),
        redacted="description resolution_note",
        facts="refund_amount closed_at",
    ),
    Personal(model=OrderMessage, people=(*OF_ORDER, "sender"), redacted="body attachment_url", facts="read_at"),
    Personal(model=Delivery, people=OF_ORDER, redacted="message files feedback", facts="number decided_at"),
    Personal(
        model=OrderRequirement,
        people=OF_ORDER,
        redacted="question answer answer_file_url",
        facts="is_required sort_order answered_at",
    ),
    Personal(
        model=OrderExtra,
        people=OF_ORDER,
        held_by="orders_orderextra_check",
        redacted="name",
        facts="unit_price quantity amount additional_days",
    ),
    Personal(
        model=OrderStatusHistory,
        people=OF_ORDER,
        mentioned=("changed_by",),
        redacted="reason",
        facts="from_status",
        append_only=True,
    ),
    Personal(
        model=Order,
        people=PARTIES,
        redacted="requirements_text",
        facts="number unit_price quantity service_fee extras_amount total_amount due_at paid_at completed_at",
    ),
    Personal(model=FreelancerSummary, people=("freelancer",), facts="order_count completed_order_count client_count"),
    Nobody(CategorySummary),
    Nobody(OrderStat),
)

OBSTACLES = (
    Obstacle(
        Order, PARTIES, ~Q(status__in=[Order.Status.COMPLETED, Order.Status.CANCELLED, Order.Status.REFUNDED]),
        "orders that are not over: complete or cancel them first",
    ),
)  # fmt: skip
