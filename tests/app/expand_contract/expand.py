"""First deployment: the new column beside the old one. The release before knows nothing of it and goes on."""

from apps.common.sql import row_trigger
from django.db import migrations, models

# Who writes one column writes both. A row that was not moved yet is moved by any other change of it.
COPY = """
            IF TG_OP = 'INSERT' AND NEW.picture_url <> ''
                    OR TG_OP = 'UPDATE' AND NEW.picture_url IS DISTINCT FROM OLD.picture_url THEN
                NEW.avatar_url := NEW.picture_url;
            ELSE
                NEW.picture_url := NEW.avatar_url;
            END IF;"""
KEPT_ALIKE = row_trigger("accounts_user", "accounts_user_avatar_is_picture", "BEFORE INSERT OR UPDATE", COPY)


class Migration(migrations.Migration):
    operations = (
        # db_default: the release before does not name the column.
        migrations.AddField(
            "user", "picture_url", models.URLField("头像", max_length=500, blank=True, default="", db_default="")
        ),
        # Roles that may read some columns alone, and do not get a new one by themselves.
        migrations.RunSQL(
            "GRANT SELECT (picture_url) ON accounts_user TO freelance_ledger, freelance_staff, reporting_user",
            migrations.RunSQL.noop,
        ),
        # The next release will not name this one.
        migrations.RunSQL(
            "ALTER TABLE accounts_user ALTER COLUMN avatar_url SET DEFAULT ''",
            "ALTER TABLE accounts_user ALTER COLUMN avatar_url DROP DEFAULT",
        ),
        KEPT_ALIKE,
    )
