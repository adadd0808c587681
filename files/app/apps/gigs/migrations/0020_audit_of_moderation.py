from django.db import migrations

from apps.common.sql import audited


class Migration(migrations.Migration):
    dependencies = [("gigs", "0019_gigs_are_approved"), ("common", "0003_audit_log")]
    operations = [
        # Who let a gig into the market or took it out, and what was asked for it. Its figures and words follow from
        # elsewhere.
        audited(
            "gigs_gig", person="freelancer_id", shown=["freelancer_id", "category_id", "status", "published_at"],
            ignored=["updated_at", "rating_average", "rating_count", "search_vector", "search_version"],
        ),
        audited(
            "gigs_gigpackage", shown=["gig_id", "tier", "price", "currency", "delivery_days", "revisions", "is_active"]
        ),
    ]  # fmt: skip
