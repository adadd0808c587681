from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index of a big table is built beside its writers, which no transaction can do.
    atomic = False
    dependencies = [("orders", "0031_messages_are_seen_by_a_kept_plan")]
    operations = [
        AddIndexConcurrently(
            "order",
            models.Index(
                fields=["created_at", "id"],
                name="orders_without_fee_oldest",
                condition=models.Q(status="pending_payment", service_fee__isnull=True),
            ),
        )
    ]
