from django.db import migrations

from apps.common.sql import audited


class Migration(migrations.Migration):
    dependencies = [("gigs", "0013_amounts_are_checked"), ("common", "0003_audit_log")]
    operations = [
        # What staff decide about complaints.
        audited("gigs_gigreport", shown=["gig_id", "reason", "status", "handled_by_id", "handled_at"]),
    ]
