from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations

from apps.common.rollup import by_day


class Migration(migrations.Migration):
    # An index of a big table is built beside its writers, which no transaction can do.
    atomic = False
    dependencies = [("gigs", "0017_rights")]
    operations = [
        AddIndexConcurrently("gigfavorite", by_day("favorites_by_day", "created_at")),
    ]
