"""What a person searched for is theirs, and nobody learns by whom they were reported."""

from django.db import migrations

from apps.common.row_security import PLATFORM, own, row_security


class Migration(migrations.Migration):
    dependencies = [("gigs", "0014_audit"), ("accounts", "0014_row_security")]
    operations = [
        row_security(
            "gigs_gigsearchhistory",
            {
                # Of a visitor nobody is known.
                "SELECT": f"user_id IS NULL OR {own('user_id')}",
                "INSERT": f"user_id IS NULL OR {own('user_id')}",
                "DELETE": own("user_id"),
            },
        ),
        row_security(
            "gigs_gigreport", {"SELECT": own("reporter_id"), "INSERT": own("reporter_id"), "UPDATE": PLATFORM}
        ),
    ]
