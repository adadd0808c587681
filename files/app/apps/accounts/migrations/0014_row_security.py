"""Who sees and writes which account. The account itself is public, what is private is the person's alone."""

from django.db import migrations

from apps.common.row_security import ME, PLATFORM, STAFF, own, row_security
from apps.common.sql import refusal, refuse_if, row_trigger

ACTS_FOR_PLATFORM = """
-- A transaction without a person that says so (app.acts_for_platform), or a person of the staff.
CREATE FUNCTION acts_for_platform() RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    actor uuid := nullif(current_setting('app.current_user_id', true), '')::uuid;
BEGIN
    IF actor IS NULL THEN
        RETURN coalesce(current_setting('app.acts_for_platform', true) = 'on', false);
    END IF;
    RETURN EXISTS (SELECT FROM public.accounts_user WHERE id = actor AND is_staff AND status = 'active');
END $function$;
"""

RIGHTS_ARE_GIVEN = refuse_if(
    "NOT public.acts_for_platform()",
    refusal(
        "accounts_user_rights_are_given_by_the_platform", "is_staff",
        "who is staff or superuser is not for %s to say", "coalesce(nullif(current_setting('app.current_user_id', true), ''), 'nobody')",
        hint="Act as the platform.",
    ),
)  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("accounts", "0013_drop_plain_columns")]
    operations = [
        migrations.RunSQL(ACTS_FOR_PLATFORM, "DROP FUNCTION acts_for_platform()"),
        # Everybody is seen: what joins to people would lose rows otherwise, and a log-in would find nobody. Signing up
        # needs no identity and gives no rights.
        row_security(
            "accounts_user",
            {
                "SELECT": "true",
                "INSERT": f"NOT is_staff AND NOT is_superuser OR {PLATFORM}",
                "UPDATE": own("id"),
                "DELETE": own("id"),
            },
            ledger=True,
        ),
        row_trigger(
            "accounts_user", "accounts_user_rights_are_given_by_the_platform", "BEFORE UPDATE", RIGHTS_ARE_GIVEN,
            when="(NEW.is_staff, NEW.is_superuser) IS DISTINCT FROM (OLD.is_staff, OLD.is_superuser)"
            " AND current_user <> 'freelance_owner'",
        ),
        # Not even the platform: who needs a phone number acts as the person.
        row_security("accounts_userprivate", {"ALL": f"user_id = {ME}"}, readers=()),
        # A person submits papers; what becomes of them is decided by staff.
        row_security(
            "accounts_userverification",
            {"SELECT": own("user_id"), "INSERT": own("user_id"), "UPDATE": PLATFORM},
            readers=(STAFF,),
        ),
        # Where from and with what somebody came.
        row_security("accounts_useractivitylog", {"SELECT": own("user_id"), "INSERT": own("user_id")}),
    ]  # fmt: skip
