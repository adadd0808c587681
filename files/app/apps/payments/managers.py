"""Queries on the ledger."""

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from apps.payments.models import Transaction, Wallet  # noqa: F401 (named in a string below)


class TransactionQuerySet(models.QuerySet["Transaction"]):
    def of_wallet(self, wallet: "Wallet") -> "TransactionQuerySet":
        """Return a wallet's entries, newest first."""
        return self.filter(wallet=wallet).order_by("-created_at", "-id")
