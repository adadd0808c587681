"""What somebody reports of a gig is read by who decides."""

from django.db import migrations

from apps.common.sql import privileges


class Migration(migrations.Migration):
    dependencies = [("gigs", "0022_reports_by_no_party")]
    operations = [
        privileges(
            "gigs_gigreport", "reporting_user", "SELECT", except_columns=["details", "evidence_keys", "resolution"]
        ),
    ]
