from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("orders", "0010_amounts_are_numbers")]
    operations = [
        ValidateConstraint("order", "orders_order_amounts_are_numbers"),
        ValidateConstraint("orderdispute", "orders_orderdispute_refund_is_a_number"),
        ValidateConstraint("orderstat", "orders_orderstat_amounts_are_numbers"),
    ]
