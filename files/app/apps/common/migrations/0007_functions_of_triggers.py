"""A trigger fires whoever writes, so nobody needs to be able to run its function: who can hang it on a table of their
own, and it has the rights of the owner."""

from django.db import migrations


def functions_of_triggers(change: str) -> str:
    """Return SQL that runs `change`, with a %s, for each function of a trigger that who runs it owns."""
    return f"""
        DO $functions$
        DECLARE
            made regprocedure;
        BEGIN
            FOR made IN SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                AND prorettype = 'trigger'::regtype AND pg_get_userbyid(proowner) = current_user
            LOOP
                EXECUTE format('{change}', made);
            END LOOP;
        END $functions$;
    """  # noqa: S608 (from this migration)


class Migration(migrations.Migration):
    # After all that have such functions; `row_trigger` closes those of later ones itself.
    dependencies = [
        ("common", "0004_sessions_are_private"),
        ("accounts", "0016_shown_or_kept"),
        ("gigs", "0019_audit_of_moderation"),
        ("messaging", "0010_decisions_are_explained"),
        ("orders", "0013_no_party_decides"),
        ("payments", "0022_keys_tell_nothing"),
        ("reviews", "0014_audit_of_moderation"),
    ]
    operations = [
        migrations.RunSQL(
            functions_of_triggers("REVOKE ALL ON FUNCTION %s FROM PUBLIC, freelance_user, freelance_staff"),
            # What every function gives by default (role postgresql_access).
            functions_of_triggers("GRANT EXECUTE ON FUNCTION %s TO freelance_user, freelance_staff"),
        )
    ]
