from django.db import migrations

from apps.common.rules import renamed


class Migration(migrations.Migration):
    dependencies = [("orders", "0019_averages_of_several")]
    operations = [
        renamed(
            "orders_ordercancellation", "orders_ordercancellation_order_id_key",
            "orders_ordercancellation_once_per_order",
        ),
    ]  # fmt: skip
