"""A report of a review is decided by nobody whom the review is by or about, and stays what it was."""

from django.db import migrations

from apps.common.reports import decided_by_others, reported

PARTIES = (reported("reviews_reviewreport", "review_id"),)


class Migration(migrations.Migration):
    dependencies = [("reviews", "0017_in_own_name")]
    operations = [
        *(each.triggers() for each in PARTIES),
        decided_by_others(
            "reviews_reviewreport",
            "SELECT ARRAY[author_id, subject_id] FROM public.reviews_review WHERE id = NEW.review_id",
        ),
    ]
