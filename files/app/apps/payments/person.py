"""What of a person stands in payments: the ledger, kept as accounting law demands, without who they are."""

from uuid import UUID

from django.db.models import Q

from apps.common.person import Nobody, Obstacle, Personal
from apps.payments.models import (
    Escrow,
    PaymentMethod,
    PaymentRefund,
    PaymentStat,
    PayoutBatch,
    Transaction,
    Wallet,
    Withdrawal,
)

OF_ORDER = ("order__client", "order__freelancer")

DECLARED = (
    Personal(
        model=Withdrawal,
        people=("user",),
        redacted="failure_reason",
        # The provider's own number of a payment: whoever audits the ledger compares it with the bank's list.
        facts="amount provider_reference closed_at",
    ),
    Personal(
        model=PaymentRefund,
        people=("escrow__order__client", "escrow__order__freelancer", "requested_by"),
        redacted="note",
        facts="amount closed_at",
    ),
    Personal(
        model=Escrow,
        people=OF_ORDER,
        facts="amount refunded_amount released_amount fee_amount held_amount closed_at",
    ),
    Personal(
        model=Transaction,
        people=("wallet__user",),
        mentioned=OF_ORDER,
        redacted="note",
        # The key is of the request that moved the money.
        facts="amount idempotency_key",
        append_only=True,
    ),
    Personal(
        model=PaymentMethod,
        people=("user",),
        replaced={
            "account_number": None,
            "holder_name": None,
            "label": "",
            "last_characters": "****",
            "is_default": False,
            "status": PaymentMethod.Status.DISABLED,
        },
        # The bank, of all its customers.
        facts="bank_code bank_name verified_at",
        identifying="account_number holder_name",
    ),
    Personal(model=Wallet, people=("user",), facts="balance"),
    Nobody(PayoutBatch),
    Nobody(PaymentStat),
)

OBSTACLES = (
    Obstacle(Wallet, ("user",), Q(balance__gt=0), "wallet with money: pay it out first"),
    Obstacle(Escrow, OF_ORDER, Q(status=Escrow.Status.HELD), "money in escrow: release or refund it first"),
    Obstacle(
        Withdrawal, ("user",), Q(status__in=[Withdrawal.Status.REQUESTED, Withdrawal.Status.PROCESSING]),
        "withdrawals on their way: wait for them",
    ),
)  # fmt: skip


def close_wallet(alias: str, person_id: UUID) -> None:
    wallets = Wallet._base_manager.using(alias).filter(user_id=person_id)
    wallets.exclude(status=Wallet.Status.CLOSED).update(status=Wallet.Status.CLOSED)


CLOSINGS = (close_wallet,)
