"""A dispute is decided by a member of staff who is named and acts, also where another one took it up."""

from django.db import migrations

from apps.common.decisions import in_own_name
from apps.common.parties import ACTOR
from apps.common.row_security import APPLICATION
from apps.common.sql import row_trigger


class Migration(migrations.Migration):
    dependencies = [("orders", "0023_at_the_price_of_the_offer")]
    operations = [
        # Named behind …_whose_columns: first it is asked whose step it is.
        row_trigger(
            "orders_orderdispute", "orders_orderdispute_whose_decision", "BEFORE UPDATE",
            in_own_name("orders_orderdispute", "resolved"),
            declare=f"actor uuid := {ACTOR};",
            when=f"current_user = '{APPLICATION}' AND NEW.status = 'resolved'",
        ),
    ]  # fmt: skip
