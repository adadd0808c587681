from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

from apps.common.sql import refusal, refuse_if, row_trigger


def of_nobody_erased(table: str) -> migrations.RunSQL:
    """Refuse a row of an erased account, also one that waited for the erasure."""
    name = f"{table}_account_is_not_erased"
    refused = refusal(
        name, "user_id", f"{table}: the account %s is erased", "NEW.user_id",
        hint="Nothing more is kept about a person who left.",
    )  # fmt: skip
    return row_trigger(
        table, name, "BEFORE INSERT",
        # The lock that the foreign key would take: an erasure that goes on has the account to itself.
        "SELECT status INTO found_status FROM public.accounts_user WHERE id = NEW.user_id FOR KEY SHARE;",
        refuse_if("found_status = 'erased'", refused),
        declare="found_status text;",
    )  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("accounts", "0020_written_as_it_happens")]
    operations = [
        AddConstraintNotValid(
            "user",
            models.CheckConstraint(
                condition=~models.Q(username__regex=r"^\+|@|^(00)?-?(86)?-?1-?[3-9](-?[0-9]){9}$"),
                name="accounts_user_username_is_no_contact",
                violation_error_message="用户名不能是手机号或邮箱：不能含 @，不能以 + 开头。",
            ),
        ),
        of_nobody_erased("accounts_userprivate"),
        of_nobody_erased("accounts_userprofile"),
    ]
