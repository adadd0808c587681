from django.db import migrations

from apps.common.sql import privileges


class Migration(migrations.Migration):
    dependencies = [("common", "0003_audit_log"), ("sessions", "0001_initial")]
    operations = [
        # Who reads a session's key is logged in as somebody.
        privileges("django_session", "freelance_staff", ""),
        privileges("django_session", "reporting_user", ""),
    ]
