"""Third deployment, when no code of the first one runs any more: the old column goes."""

from django.db import migrations

from expand_contract.expand import KEPT_ALIKE

# The way back makes the column anew: it has its rights and its default, and is filled, before anything writes it.
FILL_ON_THE_WAY_BACK = """
    GRANT SELECT (avatar_url) ON accounts_user TO freelance_ledger, freelance_staff, reporting_user;
    ALTER TABLE accounts_user ALTER COLUMN avatar_url SET DEFAULT '';
    UPDATE accounts_user SET avatar_url = picture_url;
"""


class Migration(migrations.Migration):
    operations = (
        migrations.RunSQL(KEPT_ALIKE.reverse_sql or "", KEPT_ALIKE.sql),
        migrations.RunSQL(migrations.RunSQL.noop, FILL_ON_THE_WAY_BACK),
        migrations.RemoveConstraint("user", "accounts_user_avatar_url_at_most_500_characters"),
        migrations.RemoveField("user", "avatar_url"),
    )
