"""A sample of work that its person does not show is seen by them alone; how fast they answer is measured."""

from django.db import migrations

from apps.common.parties import PLATFORM, Parties
from apps.common.public_rows import policy_condition
from apps.common.row_security import own

PARTIES = (
    Parties(
        table="accounts_userprofile",
        final="user_id created_at",
        by={PLATFORM: "response_time_minutes"},
        # 0 would pass for what nobody wrote.
        new={PLATFORM: "NEW.response_time_minutes IS NOT NULL"},
    ),
)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0016_rights_are_given")]
    operations = [
        policy_condition("accounts_portfolio", "SELECT", "USING", "true", f"is_public OR {own('user_id')}"),
        *(each.triggers() for each in PARTIES),
    ]
