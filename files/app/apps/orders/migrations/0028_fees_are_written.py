from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    # What is changed is not locked while the whole table is read afterwards.
    atomic = False
    dependencies = [("orders", "0027_the_fee_fixes_the_price")]
    operations = [
        # Of what waits for its payment nobody knows whether 0 was said or left out: the platform writes it again.
        migrations.RunSQL(
            "UPDATE orders_order SET service_fee = NULL WHERE status = 'pending_payment' AND service_fee = 0",
            migrations.RunSQL.noop,
        ),
        ValidateConstraint("order", "orders_order_service_fee_when_paid"),
    ]
