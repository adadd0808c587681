"""What holds for every contract, whatever is ordered and whatever happens to it."""

from decimal import Decimal
from itertools import pairwise

import factories as make
import factories_contracts as contracts
import pytest
from apps.orders.models import Order, OrderStatusHistory
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# One transaction for all examples of a test: each of them makes its own rows.
pytestmark = pytest.mark.usefixtures("database")
PROPERTY = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
PRICES = st.decimals(Decimal("1.00"), Decimal("99999.99"), places=2)


@PROPERTY
@given(
    price=PRICES,
    quantity=st.integers(1, 100),
    fee=st.decimals(Decimal("0.00"), Decimal("9999.99"), places=2),
    extras=st.lists(st.tuples(PRICES, st.integers(1, 100), st.booleans()), max_size=5),
)
def test_the_total_is_the_sum_of_what_is_left_on_the_order(
    price: Decimal, quantity: int, fee: Decimal, extras: list[tuple[Decimal, int, bool]]
) -> None:
    order = make.order(unit_price=price, quantity=quantity, service_fee=fee)
    expected = price * quantity + fee
    for number, (extra_price, extra_quantity, dropped) in enumerate(extras):
        offered = contracts.gig_extra(gig=order.gig, name=f"附加项{number}")
        extra = contracts.order_extra(order=order, gig_extra=offered, unit_price=extra_price, quantity=extra_quantity)
        if dropped:
            extra.delete()
        else:
            expected += extra_price * extra_quantity
    order.refresh_from_db()
    assert order.total_amount == expected


@PROPERTY
@given(steps=st.lists(st.sampled_from(Order.Status.values), max_size=12))
def test_history_is_an_unbroken_chain_of_legal_steps(steps: list[str]) -> None:
    order = make.order()
    for status in steps:
        try:
            with transaction.atomic(using="default"):
                contracts.take_step(order, status)
        except IntegrityError:
            order = Order.objects.get(pk=order.pk)
    rows = OrderStatusHistory.objects.filter(order=order).order_by("created_at", "id")
    chain = list(rows.values_list("from_status", "to_status"))
    assert chain[0] == ("", "pending_payment")
    assert all(before[1] == after[0] for before, after in pairwise(chain))
    assert all(after in Order.TRANSITIONS[before] for before, after in chain)
    assert Order.objects.get(pk=order.pk).status == chain[-1][1]
