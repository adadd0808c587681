"""An order from the first look to the last by its two parties alone, and what neither of them does for the other."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import factories as make
import factories_contracts as contracts
import factories_talk as talk
import pytest
from apps.common.identity import acting_as, acting_as_platform
from apps.orders.models import (
    Delivery,
    Order,
    OrderCancellation,
    OrderDispute,
    OrderExtra,
    OrderMessage,
    OrderRequirement,
)
from apps.payments import ledger
from config.router import all_on
from django.db import ProgrammingError, connections, transaction
from django.db.models.functions import Now
from django.utils import timezone
from test_constraints import refused

pytestmark = pytest.mark.usefixtures("database")


def not_theirs(constraint: str, person: UUID, action: Callable[[], Any]) -> None:
    """Assert that a person is told, by the constraint's name, that this is not theirs to do."""
    with pytest.raises(ProgrammingError) as caught, acting_as(person):
        action()
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.diag.constraint_name == constraint  # type: ignore[attr-defined]
    assert f"({constraint})" in str(caught.value)


def test_an_order_is_done_by_its_parties_alone() -> None:
    package, client = make.package(), contracts.person("500.00")
    offered, unwanted = (contracts.gig_extra(gig=package.gig, name=name) for name in ("源文件", "加急"))
    freelancer = package.gig.freelancer
    with acting_as(client.pk):
        order = make.order(package=package, client=client)
        OrderRequirement.objects.create(
            order=order, question="请说明品牌的主色调。", answer="深蓝色", answered_at=timezone.now()
        )
        extra = contracts.order_extra(order=order, gig_extra=offered)
        extra.quantity = 2
        extra.save()
        contracts.order_extra(order=order, gig_extra=unwanted).delete()
        order.refresh_from_db()
        order.due_at = timezone.now() + timedelta(days=7)
        order.save()
    order.set_fee(Decimal("10.00"))
    with acting_as(client.pk):
        ledger.hold_escrow(contracts.key(), order)
        order.refresh_from_db()
        asked = contracts.message(order=order)
    with acting_as(freelancer.pk):
        assert OrderMessage.objects.filter(pk=asked.pk).update(read_at=Now()) == 1
        order.advance("in_progress")
        first = Delivery.objects.submit(order, "初稿，请查收。")
    with acting_as(client.pk):
        decided = Delivery.objects.filter(pk=first.pk)
        assert decided.update(status="revision_requested", feedback="颜色太暗", decided_at=Now()) == 1
        order.advance("revision")
    with acting_as(freelancer.pk):
        Delivery.objects.submit(order, "第二稿，请查收。")
    with acting_as(client.pk):
        ledger.release_escrow(contracts.key(), order)
        order.refresh_from_db()
    assert (order.status, order.total_amount) == ("completed", Decimal("309.00"))
    assert order.paid_at < order.completed_at  # type: ignore[operator]  # both are set by now
    assert set(Delivery.objects.filter(order=order).values_list("status", flat=True)) == {
        "revision_requested", "accepted",
    }  # fmt: skip
    with connections["default"].cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_the_freelancer_does_not_change_what_the_client_pays() -> None:
    order = make.order()
    offered = contracts.gig_extra(gig=order.gig)
    extra = contracts.order_extra(order=order, gig_extra=offered)
    rows, person = Order.objects.filter(pk=order.pk), order.freelancer_id
    for column, value in (("unit_price", 99999), ("quantity", 9), ("requirements_text", "随意")):
        not_theirs(f"orders_order_{column}_by_client_before_payment", person, lambda: rows.update(**{column: value}))  # noqa: B023 (called at once)
    other = contracts.gig_extra(gig=order.gig, name="加急")
    not_theirs(
        "orders_orderextra_gig_extra_id_by_client", person, lambda: contracts.order_extra(order=order, gig_extra=other)
    )
    more = OrderExtra.objects.filter(pk=extra.pk)
    not_theirs("orders_orderextra_quantity_by_client", person, lambda: more.update(quantity=9))
    not_theirs("orders_orderextra_removed_by_client", person, more.delete)


@pytest.mark.parametrize("column", ["due_at", "requirements_text"])
def test_what_was_agreed_stays_when_it_is_paid_for(column: str) -> None:
    order = contracts.started_order()
    change = {"due_at": timezone.now() + timedelta(days=99), "requirements_text": "随意"}[column]
    for person in (order.client_id, order.freelancer_id):
        not_theirs(
            f"orders_order_{column}_by_client_before_payment",
            person,
            lambda: Order.objects.filter(pk=order.pk).update(**{column: change}),
        )


def test_when_an_order_was_paid_and_done_is_the_databases_to_say() -> None:
    order = contracts.completed_order()
    was = (order.paid_at, order.completed_at)
    with acting_as(order.freelancer_id):
        Order.objects.filter(pk=order.pk).update(paid_at=talk.MOMENT, completed_at=talk.MOMENT)
    order.refresh_from_db()
    assert (order.paid_at, order.completed_at) == was
    # Nor does an object that does not know of the payment undo its time.
    paid = contracts.paid_order()
    known, paid.paid_at = paid.paid_at, None
    with acting_as(paid.freelancer_id):
        paid.advance("in_progress")
    paid.refresh_from_db()
    assert paid.paid_at == known


def test_a_step_says_what_it_stands_on() -> None:
    order = contracts.started_order()
    for person, status in ((order.freelancer_id, "delivered"), (order.client_id, "disputed")):
        with acting_as(person):
            refused("orders_order_step_has_its_row", lambda: Order.objects.filter(pk=order.pk).update(status=status))  # noqa: B023 (called at once)
    with acting_as(order.client_id):
        contracts.dispute(order=order)
        order.advance("disputed")
    not_theirs("orders_order_status_by_platform", order.freelancer_id, lambda: order.advance("in_progress"))


def test_nobody_accepts_their_own_delivery_or_delivers_for_the_other() -> None:
    order = contracts.started_order()
    not_theirs("orders_delivery_new_by_freelancer", order.client_id, lambda: contracts.delivery(order=order))
    with acting_as(order.freelancer_id):
        made = Delivery.objects.submit(order, "初稿，请查收。")
    accept = {"status": "accepted", "decided_at": talk.MOMENT}
    rows = Delivery.objects.filter(pk=made.pk)
    not_theirs("orders_delivery_status_by_client", order.freelancer_id, lambda: rows.update(**accept))
    with acting_as(order.client_id):
        rows.update(**accept)
    # Whatever is written there.
    assert rows.get().decided_at != talk.MOMENT


def test_nobody_speaks_for_the_other_afterwards() -> None:
    order = make.order()
    with acting_as(order.freelancer_id):
        made = contracts.message(order=order, sender=order.freelancer, body="同意退款", created_at=talk.MOMENT)
    rows = OrderMessage.objects.filter(pk=made.pk)
    assert rows.get().created_at > timezone.now() - timedelta(minutes=5)
    for person in (order.freelancer_id, order.client_id):
        not_theirs("orders_ordermessage_sender_id_is_final", person, lambda: rows.update(sender_id=order.client_id))
    not_theirs("orders_ordermessage_body_is_final", order.client_id, lambda: rows.update(body="随意"))
    not_theirs("orders_ordermessage_read_at_by_recipient", order.freelancer_id, lambda: rows.update(read_at=Now()))
    with acting_as_platform(), pytest.raises(ProgrammingError, match="body_is_final"), transaction.atomic("default"):
        rows.update(body="随意")


def test_who_asks_does_not_answer() -> None:
    asked = contracts.cancellation()
    answer = {"status": "accepted", "answer": "同意", "answered_at": talk.MOMENT}
    rows, order = OrderCancellation.objects.filter(pk=asked.pk), asked.order
    not_theirs("orders_ordercancellation_answer_by_other_party", order.client_id, lambda: rows.update(**answer))
    not_theirs(
        "orders_ordercancellation_status_by_other_party",
        order.client_id,
        lambda: rows.update(status="accepted", answered_at=talk.MOMENT),
    )
    not_theirs(
        "orders_ordercancellation_status_by_asker",
        order.freelancer_id,
        lambda: rows.update(status="withdrawn", answered_at=talk.MOMENT),
    )
    with acting_as(order.freelancer_id):
        assert rows.update(**answer) == 1


def test_questions_are_not_taken_away_and_answered_by_the_client() -> None:
    asked = contracts.requirement()
    answer = {"answer": "深蓝色", "answered_at": timezone.now()}
    order, rows = asked.order, type(asked).objects.filter(pk=asked.pk)
    not_theirs("orders_orderrequirement_answer_by_client", order.freelancer_id, lambda: rows.update(**answer))
    not_theirs(
        "orders_orderrequirement_answer_by_client",
        order.freelancer_id,
        lambda: contracts.requirement(order=order, sort_order=1, **answer),
    )
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic("default"):
        rows.delete()


def test_a_dispute_is_not_rewritten_while_it_is_decided() -> None:
    order = contracts.disputed_order()
    rows = OrderDispute.objects.filter(order=order)
    not_theirs(
        "orders_orderdispute_description_is_final",
        order.client_id,
        lambda: rows.update(description="情况完全不同了。" * 2),
    )


@pytest.mark.usefixtures("owner")
def test_the_owner_repairs_what_is_final() -> None:
    with all_on("direct"):
        made = contracts.message()
        assert OrderMessage.objects.filter(pk=made.pk).update(body="已删除", created_at=talk.MOMENT) == 1
