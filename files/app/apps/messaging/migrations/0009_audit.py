from django.db import migrations

from apps.common.sql import audited


class Migration(migrations.Migration):
    dependencies = [("messaging", "0008_staff_decides_and_the_recipient_reads"), ("common", "0003_audit_log")]
    operations = [
        # What staff decide about complaints.
        audited("messaging_messagereport", shown=["message_id", "reason", "status", "handled_by_id", "handled_at"]),
    ]
