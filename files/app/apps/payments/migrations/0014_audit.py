from django.db import migrations

from apps.common.sql import audited


class Migration(migrations.Migration):
    dependencies = [("payments", "0013_amounts_are_checked"), ("common", "0003_audit_log")]
    operations = [
        # payments_transaction is not among them: append-only, each entry says itself what was done.
        audited("payments_wallet", person="user_id", shown=["user_id", "balance", "currency", "status"]),
        audited(
            "payments_escrow",
            shown=[
                "order_id", "amount", "refunded_amount", "released_amount", "fee_amount", "held_amount", "currency",
                "status", "closed_at",
            ],
        ),
        audited(
            "payments_paymentrefund",
            shown=[
                "escrow_id", "dispute_id", "requested_by_id", "transaction_id", "amount", "currency", "reason",
                "status", "closed_at",
            ],
        ),
        audited(
            "payments_withdrawal", person="user_id",
            shown=[
                "user_id", "payment_method_id", "batch_id", "transaction_id", "reversal_id", "kind", "amount",
                "currency", "status", "closed_at",
            ],
        ),
        audited(
            "payments_payoutbatch",
            shown=["kind", "status", "withdrawal_count", "total_amount", "currency", "settled_at"],
        ),
        # That an account was changed, never which it is.
        audited(
            "payments_paymentmethod", person="user_id",
            shown=["user_id", "kind", "status", "is_default", "verified_at"],
        ),
    ]  # fmt: skip
