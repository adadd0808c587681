from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index of a big table is built beside its writers, which no transaction can do.
    atomic = False
    dependencies = [("orders", "0021_freelancer_is_active")]
    operations = [
        AddIndexConcurrently(
            "order",
            models.Index(fields=["paid_at"], name="orders_not_begun_oldest", condition=models.Q(status="paid")),
        ),
        AddIndexConcurrently(
            "delivery",
            models.Index(
                fields=["created_at"],
                name="deliveries_unanswered_oldest",
                condition=models.Q(status="submitted"),
            ),
        ),
    ]
