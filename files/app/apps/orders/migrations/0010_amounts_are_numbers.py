from decimal import Decimal

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

LARGEST = Decimal("9999999999.99")
LARGEST_OF_THE_PLATFORM = Decimal("9999999999999999.99")


class Migration(migrations.Migration):
    dependencies = [("orders", "0009_limits_of_texts_hold")]
    operations = [
        # New rows only: old ones are looked at by the next migration, beside their readers and writers.
        AddConstraintNotValid(
            "order",
            models.CheckConstraint(
                condition=models.Q(unit_price__lte=LARGEST, service_fee__lte=LARGEST, extras_amount__lte=LARGEST),
                name="orders_order_amounts_are_numbers",
            ),
        ),
        AddConstraintNotValid(
            "orderdispute",
            models.CheckConstraint(
                condition=models.Q(refund_amount__lte=LARGEST), name="orders_orderdispute_refund_is_a_number"
            ),
        ),
        AddConstraintNotValid(
            "orderstat",
            models.CheckConstraint(
                condition=models.Q(
                    paid_amount__lte=LARGEST_OF_THE_PLATFORM, completed_amount__lte=LARGEST_OF_THE_PLATFORM
                ),
                name="orders_orderstat_amounts_are_numbers",
            ),
        ),
    ]
