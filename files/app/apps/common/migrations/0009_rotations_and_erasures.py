"""A rotation of keys changes no value, so the audit log says nothing of it; an erasure redacts append-only rows.

Both are said in a setting of the transaction, and only the owner of the table is believed.
"""

from importlib import import_module

from django.db import migrations

from apps.common.sql import replaced_of_the_audit

BEFORE = import_module("apps.common.migrations.0003_audit_log").WRITE.replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
)
BEGIN = "\nBEGIN\n"
LEAVE_OUT = """
    -- Only the owner of the table may say so: the application would hide what it does.
    IF TG_OP = 'UPDATE' AND current_setting('app.rotates_keys', true) = 'on'
        AND role_of_statement = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID) THEN
        -- Ciphertexts and blind indexes.
        ignored := ignored || ARRAY(
            SELECT attname::text FROM pg_attribute
            WHERE attrelid = TG_RELID AND atttypid = 'bytea'::regtype AND NOT attisdropped);
    END IF;
"""
AFTER = BEFORE.replace(BEGIN, f"{BEGIN.rstrip()}{LEAVE_OUT}", 1)


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
    operations = [replaced_of_the_audit(AFTER, BEFORE), migrations.RunSQL(REDACTED, REFUSED)]
