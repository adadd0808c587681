"""Third deployment, when no code of the first one runs any more: the old column goes."""

from importlib import import_module

from apps.common.audit_sql import compared_by_name
from django.db import migrations

from expand_contract.expand import KEPT_ALIKE

# The audit compares columns by name: it forgets this one first, or no account could change any more.
NAMED = import_module("apps.common.migrations.0011_audit_compares_by_name")
(ACCOUNTS,) = (declared for declared in NAMED.declarations() if declared.table == "accounts_user")
BEFORE = NAMED.UNSHOWN["accounts_user"]
WITH_IT, WITHOUT_IT = (compared_by_name(ACCOUNTS, words) for words in (BEFORE, BEFORE.replace("avatar_url", "")))

# The way back makes the column anew: it has its rights and its default, and is filled, before anything writes it.
FILL_ON_THE_WAY_BACK = """
    GRANT SELECT (avatar_url) ON accounts_user TO freelance_ledger, freelance_staff, reporting_user;
    ALTER TABLE accounts_user ALTER COLUMN avatar_url SET DEFAULT '';
    UPDATE accounts_user SET avatar_url = picture_url;
"""


class Migration(migrations.Migration):
    operations = (
        migrations.RunSQL(WITHOUT_IT.sql, WITH_IT.sql),
        migrations.RunSQL(KEPT_ALIKE.reverse_sql or "", KEPT_ALIKE.sql),
        migrations.RunSQL(migrations.RunSQL.noop, FILL_ON_THE_WAY_BACK),
        migrations.RemoveConstraint("user", "accounts_user_avatar_url_at_most_500_characters"),
        migrations.RemoveField("user", "avatar_url"),
    )
