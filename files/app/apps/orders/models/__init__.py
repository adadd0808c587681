"""Orders, from the contract to its end, one subject a module."""

from apps.orders.models.contract import OrderExtra, OrderRequirement
from apps.orders.models.disagreement import OrderCancellation, OrderDispute
from apps.orders.models.order import Order, OrderStatusHistory, new_order_number
from apps.orders.models.review import OrderReview
from apps.orders.models.statistics import OrderStat
from apps.orders.models.summary import CategorySummary, FreelancerSummary
from apps.orders.models.work import Delivery, OrderMessage

__all__ = [
    "CategorySummary",
    "Delivery",
    "FreelancerSummary",
    "Order",
    "OrderCancellation",
    "OrderDispute",
    "OrderExtra",
    "OrderMessage",
    "OrderRequirement",
    "OrderReview",
    "OrderStat",
    "OrderStatusHistory",
    "new_order_number",
]
