"""A contact is verified by the platform that reached its person there, and another one is not verified yet."""

from django.db import migrations

from apps.common.row_security import APPLICATION

CONFIRM = """
-- Note that this contact of the person was reached: the code sent to it came back. Blind indexes are given, one for each
-- key of the file. False where the person has another contact by now. The platform does not see the row, and it does
-- not need to.
CREATE FUNCTION confirm_contact(p_user uuid, p_kind text, p_indexes bytea[]) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF NOT public.acts_for_platform() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege', SCHEMA = 'public', TABLE = 'accounts_userprivate',
            COLUMN = 'phone_verified_at', CONSTRAINT = 'accounts_userprivate_verified_by_platform',
            MESSAGE = 'that a contact was reached is not for its person to say (accounts_userprivate_verified_by_platform)',
            HINT = 'Act as the platform, after the code came back.';
    END IF;
    CASE p_kind
        WHEN 'phone' THEN
            UPDATE public.accounts_userprivate SET phone_verified_at = statement_timestamp()
                WHERE user_id = p_user AND phone_number_index = ANY (p_indexes);
        WHEN 'email' THEN
            UPDATE public.accounts_userprivate SET email_verified_at = statement_timestamp()
                WHERE user_id = p_user AND email_index = ANY (p_indexes);
    END CASE;
    RETURN FOUND;
END $function$;
REVOKE ALL ON FUNCTION confirm_contact(uuid, text, bytea[]) FROM PUBLIC, freelance_staff;
GRANT EXECUTE ON FUNCTION confirm_contact(uuid, text, bytea[]) TO freelance_user;
"""


def kept(kind: str, index: str) -> str:
    """Return what becomes of a contact's verification when its row is written by its person."""
    return f"""
    IF TG_OP = 'UPDATE' AND NEW.{index} IS DISTINCT FROM OLD.{index} THEN
        NEW.{kind}_verified_at := NULL;
    ELSIF NEW.{kind}_verified_at IS NOT NULL
        AND (TG_OP = 'INSERT' OR NEW.{kind}_verified_at IS DISTINCT FROM OLD.{kind}_verified_at) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = '{kind}_verified_at', CONSTRAINT = 'accounts_userprivate_{kind}_verified_at_by_platform',
            MESSAGE = 'it is for the platform to write {kind}_verified_at of accounts_userprivate'
                ' (accounts_userprivate_{kind}_verified_at_by_platform)',
            HINT = 'Leave it out; confirm_contact writes it.';
    END IF;"""


WHOSE = f"""
-- An index by another key looks like another contact: who saves theirs while keys rotate confirms it once more.
CREATE FUNCTION accounts_userprivate_keep_verified() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    {kept("phone", "phone_number_index")}
    {kept("email", "email_index")}
    RETURN NEW;
END $function$;
CREATE TRIGGER accounts_userprivate_whose_columns BEFORE INSERT OR UPDATE ON accounts_userprivate
    FOR EACH ROW WHEN (current_user = '{APPLICATION}') EXECUTE FUNCTION accounts_userprivate_keep_verified();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0017_shown_or_kept")]
    operations = [
        migrations.RunSQL(CONFIRM, "DROP FUNCTION confirm_contact(uuid, text, bytea[])"),
        migrations.RunSQL(
            WHOSE,
            """
            DROP TRIGGER accounts_userprivate_whose_columns ON accounts_userprivate;
            DROP FUNCTION accounts_userprivate_keep_verified();
            """,
        ),
    ]
