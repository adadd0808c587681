from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

from apps.common.sql import privileges

FILE = ["file_name", "storage_key", "sha256"]


class Migration(migrations.Migration):
    dependencies = [("messaging", "0011_reports_are_decided")]
    operations = [
        ValidateConstraint("messagereport", "messaging_messagereport_decision_is_explained"),
        # What two people say to each other. Who decides about a report reads it in the application, by name.
        privileges("messaging_message", "freelance_staff", "SELECT", except_columns=["body"]),
        privileges("messaging_messageattachment", "freelance_staff", "SELECT", except_columns=FILE),
        privileges("messaging_messageattachment", "reporting_user", "SELECT", except_columns=FILE),
    ]
