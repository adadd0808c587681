"""Money: wallets and their ledger, escrow and refunds, ways to pay, withdrawals. Only payments.ledger moves it."""

from apps.payments.models.escrow import Escrow, PaymentRefund
from apps.payments.models.method import PaymentMethod
from apps.payments.models.payout import PayoutBatch, Withdrawal
from apps.payments.models.statistics import PaymentStat
from apps.payments.models.wallet import Transaction, Wallet

__all__ = [
    "Escrow",
    "PaymentMethod",
    "PaymentRefund",
    "PaymentStat",
    "PayoutBatch",
    "Transaction",
    "Wallet",
    "Withdrawal",
]
