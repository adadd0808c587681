"""Contracts and money for tests, like `factories`: money moves by the ledger, as the person whose right it is."""

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import factories as make
from apps.accounts.models import User
from apps.common.identity import acting_as, acting_as_platform
from apps.common.models import StatefulModel
from apps.gigs.models import GigExtra, GigRequirement
from apps.orders.models import (
    Delivery,
    Order,
    OrderCancellation,
    OrderDispute,
    OrderExtra,
    OrderMessage,
    OrderRequirement,
    OrderReview,
)
from apps.payments import ledger
from apps.payments.models import (
    Escrow,
    PaymentMethod,
    PaymentRefund,
    PayoutBatch,
    Transaction,
    Wallet,
    Withdrawal,
)
from django.db.models import F
from django.utils import timezone

MOMENT = datetime(2025, 1, 1, tzinfo=UTC)


def key() -> str:
    return f"test-{uuid.uuid4()}"


def gig_extra(**fields: Any) -> GigExtra:
    return GigExtra.objects.create(
        **{"gig": fields.pop("gig", None) or make.gig(), "name": "源文件", "price": Decimal("50.00"), **fields}
    )


def order_extra(**fields: Any) -> OrderExtra:
    order = fields.pop("order", None) or make.order()
    extra = fields.pop("gig_extra", None) or gig_extra(gig=order.gig)
    return OrderExtra.objects.create(
        **{"order": order, "gig_extra": extra, "name": extra.name, "unit_price": extra.price,
           "additional_days": extra.additional_days, **fields}
    )  # fmt: skip


def requirement(**fields: Any) -> OrderRequirement:
    order = fields.pop("order", None) or make.order()
    asked = GigRequirement.objects.create(gig=order.gig, question="请说明品牌的主色调。")
    return OrderRequirement.objects.create(
        **{"order": order, "gig_requirement": asked, "question": asked.question, **fields}
    )


def person(balance: str = "0", **fields: Any) -> User:
    """Make somebody with money in their wallet."""
    made = make.user(**fields)
    if Decimal(balance):
        deposit(made.pk, Decimal(balance))
    return made


def deposit(user_id: uuid.UUID, amount: Decimal) -> None:
    with acting_as_platform():
        ledger.deposit(key(), user_id, amount)


def balance(person: User) -> Decimal:
    return Wallet.objects.get(user=person).balance


def paid_order(**fields: Any) -> Order:
    """Make an order whose client has paid it with money deposited for it."""
    order = make.order(**fields)
    order.refresh_from_db()
    _pay(order)
    order.refresh_from_db()
    return order


def _pay(order: Order) -> None:
    deposit(order.client_id, order.total_amount)
    with acting_as(order.client_id):
        ledger.hold_escrow(key(), order)


def _accept(order: Order) -> None:
    with acting_as(order.client_id):
        ledger.release_escrow(key(), order)


def _pay_back(order: Order) -> None:
    asked = refund(order, str(order.total_amount))
    with acting_as(order.freelancer_id):
        ledger.refund(key(), asked)


BY_THE_LEDGER: Mapping[str, Callable[[Order], None]] = {"paid": _pay, "completed": _accept, "refunded": _pay_back}


def take_step(order: Order, status: str) -> None:
    """Take a step of an order, one to a state of its money by the ledger where it is legal."""
    order.refresh_from_db()
    if status in BY_THE_LEDGER and status in Order.next_statuses(order.status):
        BY_THE_LEDGER[status](order)
        order.refresh_from_db()
    else:
        order.advance(status)


def started_order(**fields: Any) -> Order:
    order = paid_order(**fields)
    order.advance("in_progress")
    return order


def delivered_order(**fields: Any) -> Order:
    order = started_order(**fields)
    Delivery.objects.submit(order, "初稿，请查收。", [{"name": "logo.svg", "url": "https://f.cn/1", "bytes": 2048}])
    return order


def completed_order(**fields: Any) -> Order:
    order = delivered_order(**fields)
    _accept(order)
    order.refresh_from_db()
    return order


def disputed_order(**fields: Any) -> Order:
    order = delivered_order(**fields)
    dispute(order=order)
    order.advance("disputed")
    return order


def delivery(**fields: Any) -> Delivery:
    order = fields.pop("order", None) or started_order()
    return Delivery.objects.create(**{"order": order, "number": 1, "message": "初稿，请查收。", **fields})


def message(**fields: Any) -> OrderMessage:
    order = fields.pop("order", None) or make.order()
    return OrderMessage.objects.create(**{"order": order, "sender": order.client, "body": "请问何时开始？", **fields})


def dispute(**fields: Any) -> OrderDispute:
    order = fields.pop("order", None) or started_order()
    return OrderDispute.objects.create(
        **{"order": order, "raised_by": order.client, "reason": "quality",
           "description": "交付的内容与约定的需求不一致。", **fields}
    )  # fmt: skip


def decided_dispute(order: Order, resolution: str, refund_amount: str = "0") -> OrderDispute:
    """Take the open dispute of an order to the point where the staff has made up its mind."""
    made = OrderDispute.objects.get(order=order, status="open")
    made.status = "under_review"
    made.save()
    made.resolution, made.refund_amount = resolution, Decimal(refund_amount)
    return made


def cancellation(**fields: Any) -> OrderCancellation:
    order = fields.pop("order", None) or make.order()
    return OrderCancellation.objects.create(
        **{"order": order, "requested_by": order.client, "reason": "changed_mind", **fields}
    )


def review_request(**fields: Any) -> OrderReview:
    order = fields.pop("order", None) or completed_order()
    return OrderReview.objects.create(
        **{"order": order, "requested_by": order.freelancer, "reviewer": order.client,
           "expires_at": timezone.now() + timedelta(days=14), **fields}
    )  # fmt: skip


def payment_method(**fields: Any) -> PaymentMethod:
    """Make an account that is verified, unless `status` says otherwise."""
    status, holder = fields.pop("status", "active"), fields.pop("user", None) or make.user()
    with acting_as(holder.pk):
        made = PaymentMethod.objects.create(**{"user": holder, "kind": "alipay", "last_characters": "8000", **fields})
    if status != made.status:
        made.status, made.verified_at = status, timezone.now()
        made.save()
    return made


def refund(order: Order, amount: str, **fields: Any) -> PaymentRefund:
    """Ask for a refund, as the client."""
    return PaymentRefund.objects.create(
        **{"escrow": Escrow.objects.get(order=order), "requested_by": order.client, "amount": Decimal(amount),
           "reason": "goodwill", **fields}
    )  # fmt: skip


def withdrawal(user: User, amount: str, account: PaymentMethod | None = None) -> Withdrawal:
    account = account or payment_method(user=user)
    with acting_as(user.pk):
        made = ledger.request_withdrawal(key(), account, Decimal(amount))
    return Withdrawal.objects.get(pk=made)


# What only the ledger writes, as bare rows: for the tables' owner, in tests of the tables themselves.


def wallet_row(balance: str = "0", **fields: Any) -> Wallet:
    made = Wallet.objects.create(**{"user": fields.pop("user", None) or make.user(), **fields})
    if Decimal(balance):
        entry_row(made, balance)
    return made


def entry_row(wallet: Wallet, amount: str, kind: str = "deposit", **fields: Any) -> Transaction:
    return Transaction.objects.create(
        **{"wallet": wallet, "amount": Decimal(amount), "kind": kind, "idempotency_key": key(), **fields}
    )


def escrow_row(**fields: Any) -> Escrow:
    order = fields.pop("order", None) or make.order()
    return Escrow.objects.create(**{"order": order, "amount": Decimal("10.00"), **fields})


def withdrawal_row(**fields: Any) -> Withdrawal:
    account = payment_method()
    entry = entry_row(wallet_row("100.00", user=account.user), "-10.00", "withdrawal")
    return Withdrawal.objects.create(
        **{"user": account.user, "payment_method": account, "transaction": entry, "kind": "alipay",
           "amount": Decimal("10.00"), **fields}
    )  # fmt: skip


def refund_row(**fields: Any) -> PaymentRefund:
    escrow = fields.pop("escrow", None) or escrow_row()
    return PaymentRefund.objects.create(
        **{"escrow": escrow, "requested_by": escrow.order.client, "amount": Decimal("1.00"), "reason": "goodwill",
           **fields}
    )  # fmt: skip


def batch_row(**fields: Any) -> PayoutBatch:
    return PayoutBatch.objects.create(
        **{"kind": "alipay", "withdrawal_count": 1, "total_amount": Decimal("10.00"), **fields}
    )


def _needs_of_escrow(_row: Escrow, status: str) -> dict[str, Any]:
    part = {"released": "released_amount", "refunded": "refunded_amount"}.get(status)
    return {"closed_at": MOMENT, part: F("amount")} if part else {"closed_at": None}


def _needs_of_refund(_row: PaymentRefund, status: str) -> dict[str, Any]:
    entry = entry_row(wallet_row(), "1.00") if status == "completed" else None
    return {"transaction": entry, "closed_at": None if status == "requested" else MOMENT}


def _needs_of_withdrawal(row: Withdrawal, status: str) -> dict[str, Any]:
    returned = status in {"failed", "cancelled"}
    return {
        "batch": batch_row() if status in {"processing", "paid", "failed"} else None,
        "provider_reference": key() if status == "paid" else None,
        "reversal": entry_row(wallet_row(), "1.00", "reversal") if returned else None,
        "closed_at": row.created_at if returned or status == "paid" else None,
    }


# Rows in their first state, and the columns that a state asks for.
MODELS: Mapping[type[StatefulModel], Callable[[], Any]] = {
    Delivery: delivery,
    OrderDispute: dispute,
    OrderCancellation: cancellation,
    OrderReview: review_request,
    PaymentMethod: lambda: payment_method(status="unverified"),
}
# What the application may not write: these take their steps with the rights of the tables' owner.
MODELS_OF_THE_LEDGER: Mapping[type[StatefulModel], Callable[[], Any]] = {
    Wallet: wallet_row,
    Escrow: escrow_row,
    PaymentRefund: refund_row,
    Withdrawal: withdrawal_row,
    PayoutBatch: batch_row,
}
NEEDS: Mapping[type[StatefulModel], Callable[[Any, str], dict[str, Any]]] = {
    Delivery: lambda _row, status: {"decided_at": None if status == "submitted" else MOMENT, "feedback": "颜色太暗"},
    OrderDispute: lambda _row, status: {
        "closed_at": MOMENT if status in {"resolved", "withdrawn"} else None,
        "resolution": "release" if status == "resolved" else "",
        "handled_by": make.user(is_staff=True) if status == "resolved" else None,
    },
    OrderCancellation: lambda _row, status: {"answered_at": None if status == "requested" else MOMENT},
    PaymentMethod: lambda _row, _status: {"verified_at": MOMENT},
    Escrow: _needs_of_escrow,
    PaymentRefund: _needs_of_refund,
    Withdrawal: _needs_of_withdrawal,
    PayoutBatch: lambda _row, status: {"settled_at": MOMENT if status == "settled" else None},
}
