import django.contrib.postgres.indexes
from django.db import migrations, models

import apps.common.search.fields
from apps.common.sql import fast_compression, words_go_stale


class Migration(migrations.Migration):
    dependencies = [("reviews", "0004_integrity")]
    operations = [
        migrations.AddField(
            "review", "search_vector",
            apps.common.search.fields.WordVectorField(editable=False, null=True, verbose_name="搜索词"),
        ),
        migrations.AddField(
            "review", "search_version", models.IntegerField(db_default=0, editable=False, verbose_name="词典版本")
        ),
        migrations.AddIndex(
            "review",
            django.contrib.postgres.indexes.GinIndex(fields=["search_vector"], name="reviews_by_words"),
        ),
        # Ranking reads the words of each row that is found.
        fast_compression("reviews_review", "search_vector"),
        words_go_stale("reviews_review", "content", "reply_text"),
    ]  # fmt: skip
