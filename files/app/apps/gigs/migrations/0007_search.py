from django.db import migrations, models

import apps.common.search.fields
from apps.common.sql import fast_compression, words_go_stale


class Migration(migrations.Migration):
    dependencies = [("gigs", "0006_reports")]
    operations = [
        migrations.AddField(
            "gig", "search_vector",
            apps.common.search.fields.WordVectorField(editable=False, null=True, verbose_name="搜索词"),
        ),
        migrations.AddField(
            "gig", "search_version", models.IntegerField(db_default=0, editable=False, verbose_name="词典版本")
        ),
        # Ranking reads the words of each row that is found.
        fast_compression("gigs_gig", "search_vector"),
        words_go_stale("gigs_gig", "title", "description"),
    ]  # fmt: skip
