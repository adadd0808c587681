"""Who takes up, decides on or revokes papers stands there with their own name."""

from importlib import import_module

from django.db import migrations

from apps.common.decisions import in_own_name
from apps.common.parties import ACTOR
from apps.common.row_security import APPLICATION
from apps.common.sql import row_trigger

# The rule for two of the steps.
BEFORE = import_module("apps.accounts.migrations.0019_who_decides_on_papers").Migration.operations[-1]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0024_every_person_is_named")]
    operations = [
        migrations.RunSQL(BEFORE.reverse_sql, BEFORE.sql),
        # Named behind …_whose_columns: first it is asked whose step it is.
        row_trigger(
            "accounts_userverification", "accounts_userverification_whose_decision", "BEFORE UPDATE",
            in_own_name(
                "accounts_userverification", "approved rejected revoked", column="reviewer_id",
                rule="decided_in_own_name",
            ),
            declare=f"actor uuid := {ACTOR};",
            when=f"current_user = '{APPLICATION}'",
        ),
    ]  # fmt: skip
