"""What a review says is its author's, the reply its subject's, and whether others see it the platform's to say.

A review is moderated: it is new as "pending", and published by the platform. What is not published is seen by its
author, its subject and the platform.
"""

from django.db import migrations

from apps.common.columns import columns_of
from apps.common.public_rows import policy_condition
from apps.common.row_security import ME, PLATFORM, admits_who_sees, own
from apps.common.sql import refusal, row_trigger

SEEN = f"status = 'published' OR {own('author_id', 'subject_id')}"
RATINGS = ("rating_overall", "rating_communication", "rating_quality", "rating_timeliness")
KEY_IS_FINAL = refusal("reviews_review_is_final", "id", "the review %s keeps its key and date", "OLD.id")

# Operators of full-text search are not leakproof: under the policy above they would find no index. The owner sees every
# row, and what is published is everybody's.
PUBLISHED_WITH_WORDS = """
CREATE FUNCTION published_reviews_with(p_words tsquery) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
    SELECT id FROM public.reviews_review WHERE status = 'published' AND search_vector @@ p_words
$function$;
REVOKE ALL ON FUNCTION published_reviews_with(tsquery) FROM PUBLIC, freelance_staff;
"""


class Migration(migrations.Migration):
    dependencies = [("reviews", "0011_days")]
    operations = [
        policy_condition("reviews_review", "SELECT", "USING", "true", SEEN),
        migrations.RunSQL(PUBLISHED_WITH_WORDS, "DROP FUNCTION published_reviews_with(tsquery)"),
        # Staff read every row by a role of their own; as the application the platform moderates and changes no word.
        columns_of(
            "reviews_review_is_published_by_the_platform", "reviews_review",
            {"status": "'pending'", "published_at": "NULL"}, PLATFORM, of="the platform",
        ),
        columns_of(
            "reviews_review_words_are_its_authors", "reviews_review",
            dict.fromkeys(("content", *RATINGS, "is_anonymous"), ""), f"NEW.author_id = {ME}", of="its author",
        ),
        columns_of(
            "reviews_review_reply_is_its_subjects", "reviews_review",
            {"reply_text": "''", "replied_at": "NULL"}, f"NEW.subject_id = {ME}", of="its subject",
        ),
        row_trigger(
            "reviews_review", "reviews_review_keep_key", "BEFORE UPDATE", KEY_IS_FINAL,
            when="(NEW.id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.created_at) AND current_user <> 'freelance_owner'",
        ),
        # Their triggers answer with the owner's rights, before a policy does.
        admits_who_sees("reviews_review", "reviews_reviewhelpful", "review"),
        admits_who_sees("reviews_review", "reviews_reviewreport", "review"),
    ]  # fmt: skip
