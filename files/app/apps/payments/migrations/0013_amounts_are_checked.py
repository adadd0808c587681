from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payments", "0012_amounts_are_numbers")]
    operations = [
        ValidateConstraint("wallet", "payments_wallet_balance_is_a_number"),
        ValidateConstraint("transaction", "payments_transaction_amount_is_a_number"),
        ValidateConstraint("escrow", "payments_escrow_amounts_are_numbers"),
        ValidateConstraint("paymentrefund", "payments_paymentrefund_amount_is_a_number"),
        ValidateConstraint("payoutbatch", "payments_payoutbatch_total_is_a_number"),
        ValidateConstraint("paymentstat", "payments_paymentstat_amounts_are_numbers"),
    ]
