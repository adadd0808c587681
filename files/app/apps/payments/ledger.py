"""Moves of money: thin calls of the database's ledger functions, which alone write wallets, entries and escrow.

Each takes the key of the request (8 to 60 characters without spaces): a repeated request moves money once and gets
the first one's answer. Who acts is the person of the transaction (apps.common.identity). What the database refuses is
an IntegrityError that names its constraint; a conflict between transactions is for apps.common.retry.
"""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connections, router, transaction

from apps.orders.models import Delivery, Order, OrderDispute
from apps.payments.models import Escrow, PaymentMethod, PaymentRefund, PayoutBatch, Transaction, Withdrawal


def _call(function: str, *arguments: Any) -> Any:
    alias = router.db_for_write(Transaction)
    with connections[alias].cursor() as cursor:
        cursor.callproc(function, arguments)
        return cursor.fetchone()[0]


def _identify(function: str, *arguments: Any) -> UUID:
    identifier: UUID = _call(function, *arguments)
    return identifier


def open_wallet(user_id: UUID) -> UUID:
    """Return the person's wallet, which is made if there is none."""
    return _identify("ledger_open_wallet", user_id)


def set_wallet_status(user_id: UUID, status: str) -> None:
    """Freeze a wallet, thaw it, or close an empty one for good. By the platform."""
    _call("ledger_set_wallet_status", user_id, status)


def deposit(key: str, user_id: UUID, amount: Decimal, *, currency: str = "CNY", note: str = "") -> UUID:
    """Put money that a provider has received into a wallet; returns the entry. By the platform."""
    return _identify("ledger_deposit", key, user_id, amount, currency, note)


def hold_escrow(key: str, order: Order) -> UUID:
    """Pay for an order from the client's wallet into escrow; returns the entry. By the client.

    It is paid as the object in hand shows it: where the order has another total by now, nothing is paid.
    """
    return _identify("ledger_hold_escrow", key, order.pk, order.total_amount)


def release_escrow(key: str, order: Order) -> UUID:
    """Accept the work: pay the freelancer what is held, less the fee; returns the entry. By client or platform."""
    alias = router.db_for_write(Order)
    with transaction.atomic(using=alias):
        entry = _identify("ledger_release_escrow", key, order.pk)
        Delivery.objects.using(alias).accept_waiting(order.pk)
    return entry


def refund(key: str, asked: PaymentRefund) -> UUID:
    """Pay a refund from escrow into the client's wallet; returns the entry. By freelancer or platform."""
    return _identify("ledger_refund", key, asked.pk)


def reject_refund(asked: PaymentRefund) -> None:
    """Refuse a refund. By freelancer or platform."""
    _call("ledger_close_refund", asked.pk, PaymentRefund.Status.REJECTED)


def withdraw_refund(asked: PaymentRefund) -> None:
    """Take back the wish for a refund. By who asked for it."""
    _call("ledger_close_refund", asked.pk, PaymentRefund.Status.WITHDRAWN)


def resolve_dispute(key: str, dispute: OrderDispute, decided_by: UUID) -> None:
    """Close a dispute as its `resolution` says and move the money with it, all or nothing. By the platform.

    The refund is `refund_amount`, and what is held beyond it goes to the freelancer; "continue" moves nothing and
    takes the order back to work.
    """
    alias = router.db_for_write(OrderDispute)
    with transaction.atomic(using=alias):
        dispute.close(decided_by)
        if dispute.resolution == OrderDispute.Resolution.CONTINUE:
            dispute.order.advance(Order.Status.IN_PROGRESS, reason=dispute.resolution_note)
            return
        escrow = Escrow.objects.using(alias).get(order=dispute.order_id)
        if dispute.refund_amount:
            asked = PaymentRefund.objects.using(alias).create(
                escrow=escrow, dispute=dispute, requested_by_id=decided_by, amount=dispute.refund_amount,
                reason=PaymentRefund.Reason.DISPUTE,
            )  # fmt: skip
            refund(f"{key}:refund", asked)
        if dispute.refund_amount < escrow.held_amount:
            release_escrow(f"{key}:rest", dispute.order)


def request_withdrawal(key: str, account: PaymentMethod, amount: Decimal, *, currency: str = "CNY") -> UUID:
    """Take money out of a wallet, to be paid to the account; returns the Withdrawal. By the account's owner."""
    return _identify("ledger_request_withdrawal", key, account.pk, amount, currency)


def submit_payouts(kind: str, *, limit: int = 1000) -> PayoutBatch | None:
    """Take the oldest withdrawals of a kind into a batch for the provider; None when nobody waits. By the platform."""
    made = _call("ledger_submit_payouts", kind, limit)
    return PayoutBatch.objects.using(router.db_for_write(PayoutBatch)).get(pk=made) if made else None


def settle_withdrawal(withdrawal: Withdrawal, reference: str) -> None:
    """Note that the provider has paid, under its own number. By the platform."""
    _call("ledger_settle_withdrawal", withdrawal.pk, reference)


def fail_withdrawal(key: str, withdrawal: Withdrawal, reason: str) -> UUID:
    """Put the money of a failed payout back; returns the entry. By the platform."""
    return _identify("ledger_fail_withdrawal", key, withdrawal.pk, reason)


def cancel_withdrawal(key: str, withdrawal: Withdrawal) -> UUID:
    """Put the money back before it is on its way; returns the entry. By the owner."""
    return _identify("ledger_cancel_withdrawal", key, withdrawal.pk)
