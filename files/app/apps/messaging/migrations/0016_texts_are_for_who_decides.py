"""What a person notes for themselves is nobody's to read; what they report is read by who decides."""

from django.db import migrations

from apps.common.sql import privileges


class Migration(migrations.Migration):
    dependencies = [("messaging", "0015_reports_by_no_party")]
    operations = [
        privileges("messaging_messagereport", "reporting_user", "SELECT", except_columns=["details", "resolution"]),
        privileges("messaging_blockeduser", "reporting_user", "SELECT", except_columns=["note"]),
        privileges("messaging_blockeduser", "freelance_staff", "SELECT", except_columns=["note"]),
        privileges("messaging_messagetemplate", "reporting_user", "SELECT", except_columns=["title", "body"]),
        privileges("messaging_messagetemplate", "freelance_staff", "SELECT", except_columns=["title", "body"]),
    ]
