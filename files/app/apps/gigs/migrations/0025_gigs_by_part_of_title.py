from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    # An index of a big table is built beside its writers, which no transaction can do.
    atomic = False
    dependencies = [("gigs", "0024_dated_by_the_database")]
    operations = [
        AddIndexConcurrently(
            "gig",
            GinIndex(
                OpClass(Upper("title"), "gin_trgm_ops"),
                name="gigs_by_part_of_title",
                condition=models.Q(status="active"),
            ),
        )
    ]
