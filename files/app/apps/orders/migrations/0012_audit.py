from django.db import migrations

from apps.common.sql import audited


class Migration(migrations.Migration):
    dependencies = [("orders", "0011_amounts_are_checked"), ("common", "0003_audit_log")]
    operations = [
        # Parties, price and state of a contract; its texts are the parties' own.
        audited(
            "orders_order",
            shown=[
                "number", "client_id", "freelancer_id", "gig_id", "package_id", "status", "unit_price", "quantity",
                "service_fee", "extras_amount", "total_amount", "currency", "due_at", "paid_at", "completed_at",
            ],
        ),
        # What staff decide, and what it costs.
        audited(
            "orders_orderdispute",
            shown=[
                "order_id", "raised_by_id", "reason", "status", "resolution", "refund_amount", "handled_by_id",
                "closed_at",
            ],
        ),
    ]  # fmt: skip
