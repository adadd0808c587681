"""A sample of work that its person does not show is seen by them alone; how fast they answer is measured."""

from django.db import migrations

from apps.common.columns import columns_of
from apps.common.public_rows import policy_condition
from apps.common.row_security import PLATFORM, own


class Migration(migrations.Migration):
    dependencies = [("accounts", "0014_rights_are_given")]
    operations = [
        policy_condition("accounts_portfolio", "SELECT", "USING", "true", f"is_public OR {own('user_id')}"),
        columns_of(
            "accounts_userprofile_response_time_is_measured", "accounts_userprofile",
            {"response_time_minutes": "NULL"}, PLATFORM, of="the platform", key="user_id",
        ),
    ]  # fmt: skip
