"""Rows for tests: each function makes one valid row and takes what the test is about."""

import itertools
from decimal import Decimal
from typing import Any

from apps.accounts.models import User
from apps.common.identity import acting_as_platform
from apps.gigs.models import Category, Gig, GigPackage
from apps.orders.models import Order
from apps.payments import ledger
from apps.payments.models import Wallet
from django.utils import timezone

_numbers = itertools.count(1)


def user(**fields: Any) -> User:
    return User.objects.create_user(**{"username": f"user{next(_numbers)}", "status": "active", **fields})


def category(**fields: Any) -> Category:
    number = next(_numbers)
    return Category.objects.create(**{"name": f"分类{number}", "slug": f"fen-lei-{number}", **fields})


def gig(status: str = "active", **fields: Any) -> Gig:
    """Make a gig and take it to `status` by legal steps."""
    made = Gig.objects.create(
        **{"title": "专业标志设计服务", "freelancer": fields.pop("freelancer", None) or user(user_type="freelancer"),
           "category": fields.pop("category", None) or category(), **fields}
    )  # fmt: skip
    steps = {"draft": [], "pending_review": ["pending_review"], "active": ["pending_review", "active"]}
    for step in steps.get(status, ["pending_review", "active", status]):
        made.status = step
        made.published_at = timezone.now()
        made.save()
    return made


def package(**fields: Any) -> GigPackage:
    return GigPackage.objects.create(
        **{"gig": fields.pop("gig", None) or gig(), "tier": "basic", "name": "基础版", "price": Decimal("199.00"),
           "delivery_days": 3, **fields}
    )  # fmt: skip


def order(**fields: Any) -> Order:
    """Make an order that waits for nothing but its payment. Where its client acts, the fee is not theirs to write."""
    ordered = fields.pop("package", None) or package()
    return Order.objects.create(
        **{"client": fields.pop("client", None) or user(), "freelancer": ordered.gig.freelancer, "gig": ordered.gig,
           "package": ordered, "unit_price": ordered.price, "service_fee": 0, **fields}
    )  # fmt: skip


def wallet(balance: str = "0", **fields: Any) -> Wallet:
    """Open a wallet and deposit `balance`."""
    owner = fields.pop("user", None) or user()
    with acting_as_platform():
        made = ledger.open_wallet(owner.pk)
        if Decimal(balance):
            ledger.deposit(f"test-{next(_numbers):08d}", owner.pk, Decimal(balance))
    return Wallet.objects.get(pk=made)
