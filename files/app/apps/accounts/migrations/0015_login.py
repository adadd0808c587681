"""Finding an account by what only its person may read: before a log-in there is nobody who could."""

from django.db import migrations

ACCOUNT_OF_CONTACT = """
-- The key of the account with this verified contact, NULL where there is none, and nothing else of the row. Blind indexes
-- are given, one for each key of the file: the database knows neither the contact nor the keys. While keys rotate, two
-- people can have one contact: it is neither's then.
CREATE FUNCTION account_of_contact(p_kind text, p_indexes bytea[]) RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    RETURN CASE p_kind
        WHEN 'phone' THEN (SELECT (array_agg(user_id))[1] FROM public.accounts_userprivate
            WHERE phone_number_index = ANY (p_indexes) AND phone_verified_at IS NOT NULL
            HAVING count(*) = 1)
        WHEN 'email' THEN (SELECT (array_agg(user_id))[1] FROM public.accounts_userprivate
            WHERE email_index = ANY (p_indexes) AND email_verified_at IS NOT NULL
            HAVING count(*) = 1)
    END;
END $function$;
REVOKE ALL ON FUNCTION account_of_contact(text, bytea[]) FROM PUBLIC, freelance_staff;
GRANT EXECUTE ON FUNCTION account_of_contact(text, bytea[]) TO freelance_user;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0014_row_security")]
    operations = [migrations.RunSQL(ACCOUNT_OF_CONTACT, "DROP FUNCTION account_of_contact(text, bytea[])")]
