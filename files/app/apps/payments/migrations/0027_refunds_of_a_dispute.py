"""A dispute has one refund that waits or was paid; one that was turned down leaves room for the next."""

import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

NAME = "payments_paymentrefund_one_to_pay_per_dispute"
DISPUTE = models.ForeignKey(
    blank=True, null=True, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="refunds",
    to="orders.orderdispute", verbose_name="争议",
)  # fmt: skip
TO_PAY = models.UniqueConstraint(
    fields=["dispute"], condition=models.Q(status__in=["requested", "completed"]), name=NAME
)


class Migration(migrations.Migration):
    # Indexes of a table with rows are built beside its writers, which no transaction can do.
    atomic = False
    dependencies = [("payments", "0026_targets_by_their_holder")]
    operations = [
        AddIndexConcurrently("paymentrefund", models.Index(fields=["dispute"], name="refunds_of_dispute")),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"""
                    CREATE UNIQUE INDEX CONCURRENTLY {NAME} ON payments_paymentrefund (dispute_id)
                        WHERE status IN ('requested', 'completed')
                    """,
                    f"DROP INDEX CONCURRENTLY {NAME}",
                ),
                # Last, so that there is no moment without a rule.
                migrations.RunSQL(
                    "ALTER TABLE payments_paymentrefund DROP CONSTRAINT payments_paymentrefund_one_per_dispute",
                    "ALTER TABLE payments_paymentrefund"
                    " ADD CONSTRAINT payments_paymentrefund_one_per_dispute UNIQUE (dispute_id)",
                ),
            ],
            state_operations=[
                migrations.AlterField("paymentrefund", "dispute", DISPUTE),
                migrations.AddConstraint("paymentrefund", TO_PAY),
            ],
        ),
    ]
