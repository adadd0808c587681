"""Whether an order is seen, of which few messages are read at a time, is asked by a function: its plan is kept."""

from importlib import import_module

from django.db import migrations

from apps.common.row_security import ME, seen_instead, sees

BEFORE = import_module("apps.orders.migrations.0014_row_security").OF_MESSAGE


class Migration(migrations.Migration):
    dependencies = [("orders", "0030_a_party_hands_in")]
    operations = [
        sees("orders_order"),
        seen_instead("orders_ordermessage", BEFORE, f"sender_id = {ME} OR public.sees_orders_order(order_id)"),
    ]
