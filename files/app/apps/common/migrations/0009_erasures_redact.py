"""An erasure redacts append-only rows: in the columns that a setting of its transaction names.

Only the owner of the table is believed.
"""

from importlib import import_module

from django.db import migrations

BEGIN = "\nBEGIN\n"
REFUSED = import_module("apps.common.migrations.0001_functions").REFUSE_CHANGE.replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
)
REDACTS = """
    -- Nothing but the columns that are named.
    IF TG_OP = 'UPDATE' AND coalesce(current_setting('app.erases', true), '') <> ''
        AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID) THEN
        IF to_jsonb(OLD) - string_to_array(current_setting('app.erases'), ' ')
            = to_jsonb(NEW) - string_to_array(current_setting('app.erases'), ' ') THEN
            RETURN NEW;
        END IF;
    END IF;
"""
REDACTED = REFUSED.replace(BEGIN, f"{BEGIN.rstrip()}{REDACTS}", 1)


class Migration(migrations.Migration):
    dependencies = [("common", "0008_keys_and_erasures")]
    operations = [migrations.RunSQL(REDACTED, REFUSED)]
