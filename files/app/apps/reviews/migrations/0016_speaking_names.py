from django.db import migrations

from apps.common.rules import renamed


class Migration(migrations.Migration):
    dependencies = [("reviews", "0015_audit_of_moderation")]
    operations = [
        renamed(
            "reviews_reviewinvitation", "reviews_reviewinvitation_review_id_key",
            "reviews_reviewinvitation_one_per_review",
        ),
    ]  # fmt: skip
