from django.db import migrations

from apps.common.sql import audited


class Migration(migrations.Migration):
    dependencies = [("reviews", "0008_staff_decides"), ("common", "0003_audit_log")]
    operations = [
        # What staff decide about complaints.
        audited("reviews_reviewreport", shown=["review_id", "reason", "status", "handled_by_id", "handled_at"]),
    ]
