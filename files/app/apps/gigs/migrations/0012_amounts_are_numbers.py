from decimal import Decimal

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gigs", "0011_months_of_views_and_searches")]
    operations = [
        # New rows only: old ones are looked at by the next migration, beside their readers and writers.
        AddConstraintNotValid(
            "gigstat",
            models.CheckConstraint(
                condition=models.Q(revenue_amount__lte=Decimal("9999999999.99")),
                name="gigs_gigstat_revenue_is_a_number",
            ),
        ),
    ]
