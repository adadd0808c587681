from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations

from apps.common.rollup import by_day


class Migration(migrations.Migration):
    # An index of a big table is built beside its writers, which no transaction can do.
    atomic = False
    dependencies = [("reviews", "0012_decisions_are_explained")]
    operations = [
        AddIndexConcurrently("review", by_day("reviews_by_day", "created_at", "published_at", "replied_at")),
    ]
