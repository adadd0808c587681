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
        ("common", "0006_limits_of_texts_hold"),
        ("accounts", "0020_written_as_it_happens"),
        ("gigs", "0021_written_as_it_happens"),
        ("messaging", "0014_whose_columns"),
        ("orders", "0022_what_waits_too_long"),
        ("payments", "0025_paid_under_a_number"),
        ("reviews", "0017_in_own_name"),
    ]
    operations = [
        migrations.RunSQL(
            functions_of_triggers("REVOKE ALL ON FUNCTION %s FROM PUBLIC, freelance_user, freelance_staff"),
            # What every function gives by default (role postgresql_access).
            functions_of_triggers("GRANT EXECUTE ON FUNCTION %s TO freelance_user, freelance_staff"),
        )
    ]
