from decimal import Decimal

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

LARGEST = Decimal("9999999999.99")
LARGEST_OF_THE_PLATFORM = Decimal("9999999999999999.99")
FIGURES = (
    "deposit_amount", "payment_amount", "income_amount", "refund_amount",
    "fee_amount", "withdrawal_amount", "wallet_balance", "escrow_balance",
)  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("payments", "0011_limits_of_texts_hold")]
    operations = [
        # New rows only: old ones are looked at by the next migration, beside their readers and writers.
        AddConstraintNotValid(
            "wallet",
            models.CheckConstraint(
                condition=models.Q(balance__lte=LARGEST), name="payments_wallet_balance_is_a_number"
            ),
        ),
        AddConstraintNotValid(
            "transaction",
            models.CheckConstraint(
                condition=models.Q(amount__lte=LARGEST), name="payments_transaction_amount_is_a_number"
            ),
        ),
        AddConstraintNotValid(
            "escrow",
            models.CheckConstraint(
                condition=models.Q(
                    amount__lte=LARGEST, refunded_amount__lte=LARGEST, released_amount__lte=LARGEST,
                    fee_amount__lte=LARGEST,
                ),
                name="payments_escrow_amounts_are_numbers",
            ),
        ),
        AddConstraintNotValid(
            "paymentrefund",
            models.CheckConstraint(
                condition=models.Q(amount__lte=LARGEST), name="payments_paymentrefund_amount_is_a_number"
            ),
        ),
        AddConstraintNotValid(
            "payoutbatch",
            models.CheckConstraint(
                condition=models.Q(total_amount__lte=LARGEST), name="payments_payoutbatch_total_is_a_number"
            ),
        ),
        AddConstraintNotValid(
            "paymentstat",
            models.CheckConstraint(
                condition=models.Q(**{f"{figure}__lte": LARGEST_OF_THE_PLATFORM for figure in FIGURES}),
                name="payments_paymentstat_amounts_are_numbers",
            ),
        ),
    ]  # fmt: skip
