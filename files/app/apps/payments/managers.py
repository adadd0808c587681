"""Queries on money."""

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from uuid import UUID

    # Some are named in strings below only.
    from apps.payments.models import (  # noqa: F401 (named in strings below)
        Escrow,
        PaymentMethod,
        PaymentRefund,
        Transaction,
        Wallet,
        Withdrawal,
    )


class TransactionQuerySet(models.QuerySet["Transaction"]):
    def of_wallet(self, wallet: "Wallet") -> "TransactionQuerySet":
        """Return a wallet's entries, newest first."""
        return self.filter(wallet=wallet).order_by("-created_at", "-id")


class PaymentMethodQuerySet(models.QuerySet["PaymentMethod"]):
    def usable_by(self, user_id: "UUID") -> "PaymentMethodQuerySet":
        """Return a person's verified accounts, the default one first."""
        return self.filter(user_id=user_id, status="active").order_by("-is_default")


class EscrowQuerySet(models.QuerySet["Escrow"]):
    def held(self) -> "EscrowQuerySet":
        """Return what the platform holds for others, the oldest first."""
        return self.filter(status="held").order_by("created_at")


class PaymentRefundQuerySet(models.QuerySet["PaymentRefund"]):
    def of_escrow(self, escrow_id: "UUID") -> "PaymentRefundQuerySet":
        """Return an escrow's refunds in order."""
        return self.filter(escrow_id=escrow_id).order_by("created_at", "id")

    def waiting(self) -> "PaymentRefundQuerySet":
        """Return refunds that somebody has to decide, the oldest first."""
        return self.filter(status="requested").order_by("created_at", "id")


class WithdrawalQuerySet(models.QuerySet["Withdrawal"]):
    def of_user(self, user_id: "UUID") -> "WithdrawalQuerySet":
        """Return a person's withdrawals, newest first."""
        return self.filter(user_id=user_id).order_by("-created_at", "-id")

    def of_batch(self, batch_id: "UUID", *statuses: str) -> "WithdrawalQuerySet":
        """Return a batch's withdrawals in these states."""
        return self.filter(batch_id=batch_id, status__in=statuses)
