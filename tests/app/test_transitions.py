"""Every pair of states of every model: the legal steps pass, all others are refused by the database."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import factories as make
import factories_people as people
import factories_talk as talk
import pytest
from apps.accounts.models import User, UserVerification
from apps.common.models import StatefulModel
from apps.gigs.models import Gig, GigReport
from apps.orders.models import Order, OrderStatusHistory
from django.db import IntegrityError, transaction

pytestmark = pytest.mark.usefixtures("database")

MODELS: Mapping[type[StatefulModel], Callable[[], Any]] = {
    User: lambda: make.user(status="pending"),
    UserVerification: people.verification,
    Gig: lambda: make.gig("draft"),
    GigReport: people.report,
    Order: make.order,
    **talk.MODELS,
}


def needs(model: type[StatefulModel], row: Any, status: str) -> dict[str, Any]:
    """Return the columns that a state asks for."""
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    if model is UserVerification:
        return people.verification_needs(status)
    if model is Gig:
        return {"published_at": moment}
    if model is GigReport:
        return people.report_needs(status)
    if model is Order:
        unpaid = status in {"pending_payment", "cancelled"}
        return {"paid_at": None if unpaid else moment, "completed_at": moment if status == "completed" else None}
    if model in talk.NEEDS:
        return talk.NEEDS[model](row, status)
    return {}


def step(model: type[StatefulModel], row: Any, status: str) -> None:
    model._default_manager.filter(pk=row.pk).update(**{"status": status, **needs(model, row, status)})


def path_to(transitions: Mapping[str, Sequence[str]], status: str) -> list[str]:
    """Return the states from a new row to `status`."""
    paths: list[list[str]] = [[first] for first in transitions[""]]
    for path in paths:
        if path[-1] == status:
            return path
        paths += [[*path, following] for following in transitions.get(path[-1], ()) if following not in path]
    raise AssertionError(f"no way leads to {status}")


CASES = [
    (model, before, after)
    for model in MODELS
    for before in model.Status.values  # type: ignore[attr-defined]  # each of them has one
    for after in model.Status.values  # type: ignore[attr-defined]
    if before != after
]


@pytest.mark.parametrize(("model", "before", "after"), CASES)
def test_only_the_declared_steps_are_taken(model: type[StatefulModel], before: str, after: str) -> None:
    row = MODELS[model]()
    way = path_to(model.TRANSITIONS, before)
    for status in way[way.index(row.status) + 1 :] if row.status in way else way:
        step(model, row, status)
    if after in model.next_statuses(before):
        step(model, row, after)
        row.refresh_from_db()
        assert row.status == after
        return
    with pytest.raises(IntegrityError) as caught, transaction.atomic(using="default"):
        step(model, row, after)
    assert f"{model._meta.db_table}_status_transition" in str(caught.value)
    assert f'"{before}"' in str(caught.value)


def test_an_unknown_state_is_refused() -> None:
    row = make.gig("draft")
    with pytest.raises(IntegrityError, match="gigs_gig_status"), transaction.atomic(using="default"):
        step(Gig, row, "sleeping")


def test_a_new_row_starts_at_the_beginning() -> None:
    with pytest.raises(IntegrityError, match='a new row cannot become "active"'), transaction.atomic(using="default"):
        Gig.objects.create(
            title="专业标志设计服务", freelancer=make.user(), category=make.category(), status="active",
            published_at=datetime(2025, 1, 1, tzinfo=UTC),
        )  # fmt: skip


def test_the_refusal_says_what_is_allowed() -> None:
    row = make.order()
    with pytest.raises(IntegrityError) as caught, transaction.atomic(using="default"):
        step(Order, row, "completed")
    hint = caught.value.__cause__.diag.message_hint  # type: ignore[union-attr]
    assert hint == "Allowed next: paid, cancelled."


def test_an_order_writes_its_own_history_with_person_and_reason(database: Any) -> None:
    order = make.order()
    with database.cursor() as cursor:
        cursor.execute("SELECT set_config('app.current_user_id', %s, true)", [str(order.client_id)])
    order.advance("paid")
    order.advance("in_progress", reason="已确认需求")
    history = OrderStatusHistory.objects.filter(order=order).order_by("created_at", "id")
    assert list(history.values_list("from_status", "to_status", "changed_by_id", "reason")) == [
        ("", "pending_payment", None, ""),
        ("pending_payment", "paid", order.client_id, ""),
        ("paid", "in_progress", order.client_id, "已确认需求"),
    ]


def test_an_illegal_step_leaves_neither_state_nor_history() -> None:
    order = make.order()
    with pytest.raises(IntegrityError), transaction.atomic(using="default"):
        order.advance("delivered")
    order.refresh_from_db()
    assert order.status == "pending_payment"
    assert OrderStatusHistory.objects.filter(order=order).count() == 1
