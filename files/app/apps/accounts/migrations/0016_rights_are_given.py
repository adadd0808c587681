"""Who is let in, as what, is said by the platform: a person does not undo a decision about their own account."""

from django.db import migrations

from apps.common.public_rows import GIVES_RIGHTS, policy_condition, public_rows, written_by, written_by_the_platform
from apps.common.row_security import PLATFORM, own, row_security
from apps.common.sql import refusal, refuse_if, row_trigger

GIVES_RIGHTS_FUNCTION = """
-- A transaction without a person that says that the platform acts, or a superuser: who is staff makes no staff.
CREATE FUNCTION gives_rights() RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    actor uuid := nullif(current_setting('app.current_user_id', true), '')::uuid;
BEGIN
    IF actor IS NULL THEN
        RETURN public.acts_for_platform();
    END IF;
    RETURN EXISTS (SELECT FROM public.accounts_user WHERE id = actor AND is_superuser AND status = 'active');
END $function$;
"""

ACTOR = "coalesce(nullif(current_setting('app.current_user_id', true), ''), 'nobody')"
IS_THE_PERSON = "nullif(current_setting('app.current_user_id', true), '')::uuid IS NOT DISTINCT FROM OLD.id"
BY_THE_APPLICATION = "current_user <> 'freelance_owner'"

CHANGES_RIGHTS = (
    "(NEW.is_staff, NEW.is_superuser) IS DISTINCT FROM (OLD.is_staff, OLD.is_superuser) AND " + BY_THE_APPLICATION
)


def rights_are_given_by(giver: str, condition: str, hint: str) -> migrations.RunSQL:
    name = f"accounts_user_rights_are_given_by_{giver}"
    refused = refusal(name, "is_staff", "who is staff or superuser is not for %s to say", ACTOR, hint=hint)
    return row_trigger("accounts_user", name, "BEFORE UPDATE", refuse_if(condition, refused), when=CHANGES_RIGHTS)


BY_A_SUPERUSER = rights_are_given_by(
    "a_superuser", "NOT public.gives_rights()", "Act as a superuser, or as the platform itself."
)
BY_THE_PLATFORM = rights_are_given_by("the_platform", "NOT public.acts_for_platform()", "Act as the platform.")
PASSWORD = refuse_if(
    f"NOT ({IS_THE_PERSON}) AND NOT public.gives_rights()",
    refusal(
        "accounts_user_password_is_the_persons_own", "password",
        "the password of %s is not for %s to set", "OLD.id", ACTOR, hint="Act as the person whose password it is.",
    ),
)  # fmt: skip
# A person goes and comes back; who was suspended, or is gone for good, is decided by the platform.
STATUS = refuse_if(
    "NOT public.acts_for_platform()",
    refusal(
        "accounts_user_status_is_decided_by_the_platform", "status",
        'the account %s is "%s", and it is not for %s to make it "%s"', "OLD.id", "OLD.status", ACTOR, "NEW.status",
        hint="Act as the platform.",
    ),
)  # fmt: skip
ERASED_NOT_DELETED = refusal(
    "accounts_user_is_erased_not_deleted", "id",
    "the account %s is not deleted: contracts and the ledger lead to it", "OLD.id",
    hint="Erase the person: manage.py erase_person.",
)  # fmt: skip


def made_by(who: str) -> str:
    return f"NOT is_staff AND NOT is_superuser OR {who}"


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0015_login"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [
        migrations.RunSQL(GIVES_RIGHTS_FUNCTION, "DROP FUNCTION gives_rights()"),
        policy_condition("accounts_user", "INSERT", "WITH CHECK", made_by(PLATFORM), made_by(GIVES_RIGHTS)),
        # In the place of the wider rule of accounts.0014.
        migrations.RunSQL(
            """
            DROP TRIGGER accounts_user_rights_are_given_by_the_platform ON accounts_user;
            DROP FUNCTION accounts_user_rights_are_given_by_the_platform();
            """,
            BY_THE_PLATFORM.sql,
        ),
        BY_A_SUPERUSER,
        row_trigger(
            "accounts_user", "accounts_user_password_is_the_persons_own", "BEFORE UPDATE", PASSWORD,
            when=f"NEW.password IS DISTINCT FROM OLD.password AND {BY_THE_APPLICATION}",
        ),
        row_trigger(
            "accounts_user", "accounts_user_status_is_decided_by_the_platform", "BEFORE UPDATE", STATUS,
            when="NEW.status IS DISTINCT FROM OLD.status AND (OLD.status = 'suspended'"
            f" OR NEW.status IN ('suspended', 'erased')) AND {BY_THE_APPLICATION}",
        ),
        row_trigger(
            "accounts_user", "accounts_user_is_erased_not_deleted", "AFTER DELETE", ERASED_NOT_DELETED,
            when=BY_THE_APPLICATION,
        ),
        # A person sees what they may do, and what a group may do is no secret.
        row_security("accounts_user_groups", written_by(GIVES_RIGHTS, sees=own("user_id"))),
        row_security("accounts_user_user_permissions", written_by(GIVES_RIGHTS, sees=own("user_id"))),
        *(
            public_rows(table, GIVES_RIGHTS)
            for table in ("auth_group", "auth_group_permissions", "auth_permission", "django_content_type")
        ),
        # What somebody shows of themselves is for everybody, and theirs to write.
        *(
            public_rows(f"accounts_{table}", own("user_id"))
            for table in ("userprofile", "userskill", "education", "workexperience", "portfolio")
        ),
        written_by_the_platform("accounts_skill"),
    ]  # fmt: skip
