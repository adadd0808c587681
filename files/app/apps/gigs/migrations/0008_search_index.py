from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    # An index of a big table is built beside its writers, which no transaction can do.
    atomic = False
    dependencies = [("gigs", "0007_search")]
    operations = [AddIndexConcurrently("gig", GinIndex(fields=["search_vector"], name="gigs_by_words"))]
