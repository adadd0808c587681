import django.contrib.postgres.indexes
from django.db import migrations, models

import apps.common.search.fields
from apps.common.sql import fast_compression, row_trigger, words_go_stale


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_activity")]
    operations = [
        migrations.AddField(
            "userprofile", "search_vector",
            apps.common.search.fields.WordVectorField(editable=False, null=True, verbose_name="搜索词"),
        ),
        migrations.AddField(
            "userprofile", "search_version", models.IntegerField(db_default=0, editable=False, verbose_name="词典版本")
        ),
        migrations.AddIndex(
            "userprofile",
            django.contrib.postgres.indexes.GinIndex(fields=["search_vector"], name="profiles_by_words"),
        ),
        # Ranking reads the words of each row that is found.
        fast_compression("accounts_userprofile", "search_vector"),
        words_go_stale("accounts_userprofile", "bio", "job_title", "company_name"),
        # The headline is the account's.
        row_trigger(
            "accounts_user", "accounts_user_mark_words_of_profile", "AFTER UPDATE",
            "UPDATE public.accounts_userprofile SET search_version = 0 WHERE user_id = NEW.id;",
            when="NEW.headline IS DISTINCT FROM OLD.headline",
        ),
    ]  # fmt: skip
