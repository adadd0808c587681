from django.db import migrations

from apps.common.sql import audited


class Migration(migrations.Migration):
    dependencies = [("reviews", "0014_who_writes_a_review"), ("common", "0003_audit_log")]
    operations = [
        # Who published a review, hid or removed it. Never what it says.
        audited(
            "reviews_review", person="author_id",
            shown=[
                "order_id", "gig_id", "author_id", "subject_id", "status", "published_at", "rating_overall",
                "rating_communication", "rating_quality", "rating_timeliness", "is_anonymous", "replied_at",
            ],
            ignored=["updated_at", "search_vector", "search_version"],
        ),
    ]  # fmt: skip
