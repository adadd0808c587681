"""What a review says is its author's, the reply its subject's, and whether others see it the platform's to say.

A review is moderated: it is new as "pending", and published by the platform. What is not published is seen by its
author, its subject and the platform.
"""

from django.db import migrations

from apps.common.parties import PLATFORM, Parties, named
from apps.common.public_rows import policy_condition
from apps.common.row_security import admits_who_sees, own

AUTHOR = named("author", "author_id")
PARTIES = (
    Parties(
        table="reviews_review",
        final="id created_at order_id gig_id author_id subject_id author_role",
        author=AUTHOR,
        by={
            AUTHOR: "rating_overall rating_communication rating_quality rating_timeliness content is_anonymous",
            named("subject", "subject_id"): "reply_text replied_at",
            PLATFORM: "published_at",
        },
        new={PLATFORM: "NEW.status <> 'pending'"},
        steps={
            PLATFORM: "pending>published pending>removed published>hidden published>removed hidden>published"
            " hidden>removed"
        },
    ),
)

SEEN = f"status = 'published' OR {own('author_id', 'subject_id')}"
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
    dependencies = [("reviews", "0013_days")]
    operations = [
        policy_condition("reviews_review", "SELECT", "USING", "true", SEEN),
        migrations.RunSQL(PUBLISHED_WITH_WORDS, "DROP FUNCTION published_reviews_with(tsquery)"),
        *(each.triggers() for each in PARTIES),
        # Their triggers answer with the owner's rights, before a policy does.
        admits_who_sees("reviews_review", "reviews_reviewhelpful", "review"),
        admits_who_sees("reviews_review", "reviews_reviewreport", "review"),
    ]
