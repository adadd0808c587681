from django.db import migrations

from apps.common.text_columns import TextColumns, limits


class Migration(migrations.Migration):
    dependencies = [("payments", "0009_ledger_payouts")]
    operations = [
        TextColumns("wallet", ["currency", "status"]),
        TextColumns("transaction", ["kind", "currency", "idempotency_key", "note"]),
        *limits("payments_transaction", note=200),
        TextColumns("escrow", ["currency", "status"]),
        TextColumns("paymentrefund", ["currency", "reason", "note", "status"]),
        *limits("payments_paymentrefund", note=500),
        TextColumns("paymentmethod", ["kind", "label", "last_characters", "bank_code", "bank_name", "status"]),
        *limits("payments_paymentmethod", label=50, bank_name=60),
        TextColumns("payoutbatch", ["kind", "status", "currency"]),
        TextColumns("withdrawal", ["kind", "currency", "status", "provider_reference", "failure_reason"]),
        *limits("payments_withdrawal", failure_reason=200),
        TextColumns("paymentstat", ["currency"]),
    ]
