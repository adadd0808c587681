"""What somebody reports of a review is read by who decides."""

from django.db import migrations

from apps.common.sql import privileges


class Migration(migrations.Migration):
    dependencies = [("reviews", "0018_reports_by_no_party")]
    operations = [
        privileges("reviews_reviewreport", "reporting_user", "SELECT", except_columns=["details", "resolution"]),
    ]
