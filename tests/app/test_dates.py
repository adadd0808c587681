"""When a row was written is the database's to say, and what was ordered long ago is not paid at its price."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import factories as make
import factories_contracts as contracts
import factories_people as people
import factories_talk as talk
import pytest
from apps.orders.models import Order
from config.router import all_on
from django.db.models.functions import Now
from django.utils import timezone
from test_constraints import refused

NEW: Mapping[str, Callable[..., Any]] = {
    "order": make.order,
    "delivery": contracts.delivery,
    "dispute": contracts.dispute,
    "cancellation": contracts.cancellation,
    "refund": lambda **fields: contracts.refund(contracts.paid_order(), "1.00", **fields),
    "account": contracts.payment_method,
    "gig": make.gig,
    "review": talk.review,
    "attachment": talk.attachment,
    "papers": people.verification,
    "report of a gig": people.report,
    "report of a message": talk.message_report,
    "report of a review": talk.review_report,
}


@pytest.mark.parametrize("made", NEW.values(), ids=NEW)
@pytest.mark.usefixtures("database")
def test_what_the_application_writes_is_of_now(made: Callable[..., Any]) -> None:
    row = made(created_at=talk.MOMENT)
    row.refresh_from_db()
    assert timezone.now() - row.created_at < timedelta(minutes=5)


@pytest.mark.usefixtures("owner")
def test_the_owner_writes_what_was_earlier() -> None:
    with all_on("direct"):
        for made in (make.order, talk.message_report):
            row = made(created_at=talk.MOMENT)
            row.refresh_from_db()
            assert row.created_at == talk.MOMENT


@pytest.mark.parametrize(("days", "holds"), [(29, True), (31, False)])
def test_an_order_is_paid_while_its_price_holds(owner: Any, days: int, holds: bool) -> None:
    with all_on("direct"):
        order = make.order(created_at=timezone.now() - timedelta(days=days))
        with owner.cursor() as cursor:
            cursor.execute("SET LOCAL ROLE freelance_ledger")
        pay = partial(Order.objects.filter(pk=order.pk).update, status="paid", paid_at=Now())
        if holds:
            assert pay() == 1
        else:
            refused("orders_order_is_paid_while_its_price_holds", pay, using="direct")


@pytest.mark.parametrize(("days", "comes"), [(1, True), (0, True), (-1, False)])
def test_an_order_is_paid_before_its_date(owner: Any, days: int, comes: bool) -> None:
    with all_on("direct"):
        order = make.order(due_at=timezone.now() + timedelta(days=days))
        with owner.cursor() as cursor:
            cursor.execute("SET LOCAL ROLE freelance_ledger")
        pay = partial(Order.objects.filter(pk=order.pk).update, status="paid", paid_at=Now())
        if comes:
            assert pay() == 1
        else:
            refused("orders_order_is_paid_before_its_date", pay, using="direct")
