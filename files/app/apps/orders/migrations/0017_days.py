from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations

from apps.common.rollup import by_day


class Migration(migrations.Migration):
    # An index of a big table is built beside its writers, which no transaction can do.
    atomic = False
    dependencies = [("orders", "0016_messages_are_the_parties")]
    operations = [
        AddIndexConcurrently("order", by_day("orders_by_day", "created_at", "completed_at")),
        AddIndexConcurrently("orderstatushistory", by_day("status_history_by_day", "created_at")),
    ]
