from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations

from apps.common.rollup import by_day


class Migration(migrations.Migration):
    # An index of a big table is built beside its writers, which no transaction can do.
    atomic = False
    dependencies = [("payments", "0019_whose_money_it_is")]
    operations = [
        AddIndexConcurrently("transaction", by_day("transactions_by_day", "created_at")),
    ]
