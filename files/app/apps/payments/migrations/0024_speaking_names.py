from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

from apps.common.rules import is_given, renamed


class Migration(migrations.Migration):
    dependencies = [("payments", "0023_keys_tell_nothing")]
    operations = [
        renamed("payments_wallet", "payments_wallet_user_id_key", "payments_wallet_one_per_person"),
        renamed("payments_escrow", "payments_escrow_order_id_key", "payments_escrow_one_per_order"),
        renamed(
            "payments_paymentrefund", "payments_paymentrefund_dispute_id_key",
            "payments_paymentrefund_one_per_dispute",
        ),
        renamed(
            "payments_paymentrefund", "payments_paymentrefund_transaction_id_key",
            "payments_paymentrefund_one_per_entry",
        ),
        renamed(
            "payments_withdrawal", "payments_withdrawal_transaction_id_key", "payments_withdrawal_one_per_entry"
        ),
        renamed(
            "payments_withdrawal", "payments_withdrawal_reversal_id_key", "payments_withdrawal_returned_by_one_entry"
        ),
        *is_given("payments_wallet", "user_id"),
        *is_given("payments_transaction", "idempotency_key", "amount", "currency", "note"),
        # `payments_withdrawal_paid_has_reference` has no answer for NULL, and so lets it pass.
        AddConstraintNotValid(
            "withdrawal",
            models.CheckConstraint(
                condition=~models.Q(status="paid") | models.Q(provider_reference__isnull=False),
                name="payments_withdrawal_paid_under_a_number",
            ),
        ),
    ]  # fmt: skip
