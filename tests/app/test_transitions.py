"""Every pair of states of every model: the legal steps pass, all others are refused by the database."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import factories as make
import factories_contracts as contracts
import factories_people as people
import factories_talk as talk
import pytest
from apps.accounts.models import User, UserVerification
from apps.common.identity import acting_as
from apps.common.models import StatefulModel
from apps.gigs.models import Gig, GigReport
from apps.orders.models import Order, OrderStatusHistory
from config.router import all_on
from django.apps import apps
from django.db import IntegrityError, transaction

pytestmark = pytest.mark.usefixtures("database")

MODELS: Mapping[type[StatefulModel], Callable[[], Any]] = {
    User: lambda: make.user(status="pending"),
    UserVerification: people.verification,
    Gig: lambda: make.gig("draft"),
    GigReport: people.report,
    Order: make.order,
    **contracts.MODELS,
    **talk.MODELS,
}
MOMENT = datetime(2025, 1, 1, tzinfo=UTC)


def needs_of_order(_row: Order, status: str) -> dict[str, Any]:
    unpaid = status in {"pending_payment", "cancelled"}
    return {"paid_at": None if unpaid else MOMENT, "completed_at": MOMENT if status == "completed" else None}


# The columns that a state asks for.
NEEDS: Mapping[type[StatefulModel], Callable[[Any, str], dict[str, Any]]] = {
    UserVerification: lambda _row, status: people.verification_needs(status),
    Gig: lambda _row, _status: {"published_at": MOMENT},
    GigReport: lambda _row, status: people.report_needs(status),
    Order: needs_of_order,
    **contracts.NEEDS,
    **talk.NEEDS,
}


def needs(model: type[StatefulModel], row: Any, status: str) -> dict[str, Any]:
    return NEEDS[model](row, status) if model in NEEDS else {}


def step(model: type[StatefulModel], row: Any, status: str) -> None:
    if isinstance(row, Order):
        contracts.take_step(row, status)
        return
    model._default_manager.filter(pk=row.pk).update(**{"status": status, **needs(model, row, status)})


def path_to(transitions: Mapping[str, Sequence[str]], status: str) -> list[str]:
    """Return the states from a new row to `status`."""
    paths: list[list[str]] = [[first] for first in transitions[""]]
    for path in paths:
        if path[-1] == status:
            return path
        paths += [[*path, following] for following in transitions.get(path[-1], ()) if following not in path]
    raise AssertionError(f"no way leads to {status}")


def go_to(model: type[StatefulModel], row: Any, status: str) -> None:
    """Take the legal steps from the state of a row to `status`."""
    way = path_to(model.TRANSITIONS, status)
    for following in way[way.index(row.status) + 1 :] if row.status in way else way:
        step(model, row, following)


def cases(models: Iterable[type[StatefulModel]]) -> list[Any]:
    """Return every pair of different states of each model."""
    return [
        pytest.param(model, before, after, id=f"{model.__name__}-{before}-{after}")
        for model in models
        for before in model.Status.values  # type: ignore[attr-defined]  # each of them has one
        for after in model.Status.values  # type: ignore[attr-defined]
        if before != after
    ]


def take_the_step(model: type[StatefulModel], row: Any, before: str, after: str, alias: str) -> None:
    """Go to `before` by legal steps, then assert that the step to `after` is taken or refused as declared."""
    go_to(model, row, before)
    if after in model.next_statuses(before):
        step(model, row, after)
        row.refresh_from_db()
        assert row.status == after
        return
    with pytest.raises(IntegrityError) as caught, transaction.atomic(using=alias):
        step(model, row, after)
    assert f"{model._meta.db_table}_status_transition" in str(caught.value)
    assert f'"{before}"' in str(caught.value)


@pytest.mark.parametrize(("model", "before", "after"), cases(MODELS))
def test_only_the_declared_steps_are_taken(model: type[StatefulModel], before: str, after: str) -> None:
    take_the_step(model, MODELS[model](), before, after, "default")


@pytest.mark.parametrize(("model", "before", "after"), cases(contracts.MODELS_OF_THE_LEDGER))
@pytest.mark.usefixtures("owner")
def test_not_even_the_owner_takes_another_step(model: type[StatefulModel], before: str, after: str) -> None:
    with all_on("direct"):
        take_the_step(model, contracts.MODELS_OF_THE_LEDGER[model](), before, after, "direct")


def test_every_model_with_states_is_here() -> None:
    stateful = {model for model in apps.get_models() if issubclass(model, StatefulModel)}
    assert stateful == {*MODELS, *contracts.MODELS_OF_THE_LEDGER}


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


def test_an_order_writes_its_own_history_with_person_and_reason() -> None:
    order = contracts.paid_order()
    with acting_as(order.freelancer_id):
        order.advance("in_progress", reason="已确认需求")
    history = OrderStatusHistory.objects.filter(order=order).order_by("created_at", "id")
    assert list(history.values_list("from_status", "to_status", "changed_by_id", "reason")) == [
        ("", "pending_payment", None, ""),
        ("pending_payment", "paid", order.client_id, ""),
        ("paid", "in_progress", order.freelancer_id, "已确认需求"),
    ]


def test_an_illegal_step_leaves_neither_state_nor_history() -> None:
    order = make.order()
    with pytest.raises(IntegrityError), transaction.atomic(using="default"):
        order.advance("delivered")
    order.refresh_from_db()
    assert order.status == "pending_payment"
    assert OrderStatusHistory.objects.filter(order=order).count() == 1
