from django.db import migrations

from apps.common.sql import privileges, refusal, refuse_if, row_trigger, status_transitions

# The order stays completed until the review is committed; its parties and gig never change.
READ_CONTRACT = """
            SELECT client_id, freelancer_id, gig_id, status INTO contract FROM public.orders_order
                WHERE id = NEW.order_id FOR SHARE;"""
ORDER_IS_COMPLETED = refuse_if(
    "contract.status IS DISTINCT FROM 'completed'",
    refusal(
        "reviews_review_order_is_completed", "order_id",
        "the order %s is %s, not completed", "NEW.order_id", "coalesce(contract.status, 'missing')",
        hint="A review is written after the order is completed.",
    ),
)  # fmt: skip
BETWEEN_THE_PARTIES = refuse_if(
    """(NEW.author_id, NEW.subject_id) NOT IN (
                (contract.client_id, contract.freelancer_id), (contract.freelancer_id, contract.client_id))""",
    refusal(
        "reviews_review_between_the_parties", "author_id",
        "%s about %s: these are not the two parties of the order %s",
        "NEW.author_id", "NEW.subject_id", "NEW.order_id", hint="One party of the order reviews the other one.",
    ),
)  # fmt: skip
GIG_OF_THE_ORDER = refuse_if(
    "NEW.gig_id <> contract.gig_id",
    refusal(
        "reviews_review_gig_is_of_the_order", "gig_id",
        "the order %s is about the gig %s, not about %s", "NEW.order_id", "contract.gig_id", "NEW.gig_id",
    ),
)  # fmt: skip
SET_ROLE = "NEW.author_role := CASE NEW.author_id WHEN contract.client_id THEN 'client' ELSE 'freelancer' END;"

TEXT_IS_FINAL = refusal(
    "reviews_review_is_final", "content", "what the review %s says cannot be rewritten", "OLD.id",
    hint="Hide it, and let the author write to support.",
)  # fmt: skip
# The owner may replace texts: that is how a person's data is erased.
TEXT_CHANGES = """
    (NEW.order_id, NEW.gig_id, NEW.author_id, NEW.subject_id, NEW.author_role)
        IS DISTINCT FROM (OLD.order_id, OLD.gig_id, OLD.author_id, OLD.subject_id, OLD.author_role)
    OR (current_user <> 'freelance_owner' AND OLD.status <> 'pending'
        AND (NEW.content, NEW.rating_overall, NEW.rating_communication, NEW.rating_quality, NEW.rating_timeliness)
            IS DISTINCT FROM
            (OLD.content, OLD.rating_overall, OLD.rating_communication, OLD.rating_quality, OLD.rating_timeliness))
"""
REPLIED_ONCE = refusal("reviews_review_replied_once", "reply_text", "the review %s has its reply already", "OLD.id")
REPLY_CHANGES = """
    current_user <> 'freelance_owner' AND OLD.replied_at IS NOT NULL
    AND (NEW.reply_text, NEW.replied_at) IS DISTINCT FROM (OLD.reply_text, OLD.replied_at)
"""
VOTE_NOT_BY_AUTHOR = refuse_if(
    "EXISTS (SELECT FROM public.reviews_review WHERE id = NEW.review_id AND author_id = NEW.user_id)",
    refusal(
        "reviews_reviewhelpful_not_by_the_author", "user_id",
        "%s wrote the review %s and has no vote", "NEW.user_id", "NEW.review_id",
    ),
)  # fmt: skip
REPORT_NOT_BY_AUTHOR = refuse_if(
    "EXISTS (SELECT FROM public.reviews_review WHERE id = NEW.review_id AND author_id = NEW.reporter_id)",
    refusal(
        "reviews_reviewreport_not_by_the_author", "reporter_id",
        "%s wrote the review %s and cannot report it", "NEW.reporter_id", "NEW.review_id",
    ),
)  # fmt: skip
INVITEE_IS_A_PARTY = refuse_if(
    """NOT EXISTS (
                SELECT FROM public.orders_order WHERE id = NEW.order_id AND status = 'completed'
                    AND NEW.invitee_id IN (client_id, freelancer_id))""",
    refusal(
        "reviews_reviewinvitation_to_a_party_of_a_completed_order", "invitee_id",
        "%s is no party of the order %s, or it is not completed", "NEW.invitee_id", "NEW.order_id",
    ),
)  # fmt: skip

REPORT_STEPS = {
    "": ("open",),
    "open": ("reviewing", "upheld", "dismissed"),
    "reviewing": ("open", "upheld", "dismissed"),
}
REVIEW_STEPS = {
    "": ("pending", "published"),
    "pending": ("published", "removed"),
    "published": ("hidden", "removed"),
    "hidden": ("published", "removed"),
}
INVITATION_STEPS = {
    "": ("pending",),
    "pending": ("sent", "completed", "expired"),
    "sent": ("completed", "declined", "expired"),
}


class Migration(migrations.Migration):
    dependencies = [("reviews", "0003_statistics")]
    operations = [
        row_trigger(
            "reviews_review", "reviews_review_check_parties", "BEFORE INSERT",
            READ_CONTRACT, ORDER_IS_COMPLETED, BETWEEN_THE_PARTIES, GIG_OF_THE_ORDER, SET_ROLE,
            declare="contract record;",
        ),
        row_trigger("reviews_review", "reviews_review_keep_text", "BEFORE UPDATE", TEXT_IS_FINAL, when=TEXT_CHANGES),
        row_trigger("reviews_review", "reviews_review_keep_reply", "BEFORE UPDATE", REPLIED_ONCE, when=REPLY_CHANGES),
        row_trigger(
            "reviews_reviewhelpful", "reviews_reviewhelpful_check_user",
            "BEFORE INSERT OR UPDATE OF review_id, user_id", VOTE_NOT_BY_AUTHOR,
        ),
        row_trigger(
            "reviews_reviewreport", "reviews_reviewreport_check_reporter",
            "BEFORE INSERT OR UPDATE OF review_id, reporter_id", REPORT_NOT_BY_AUTHOR,
        ),
        row_trigger(
            "reviews_reviewinvitation", "reviews_reviewinvitation_check_invitee",
            "BEFORE INSERT OR UPDATE OF order_id, invitee_id", INVITEE_IS_A_PARTY,
        ),
        migrations.RunSQL(
            """
            ALTER TABLE reviews_reviewinvitation ADD CONSTRAINT reviews_reviewinvitation_answered_by_the_invitee
                FOREIGN KEY (review_id, order_id, invitee_id) REFERENCES reviews_review (id, order_id, author_id);
            """,
            "ALTER TABLE reviews_reviewinvitation DROP CONSTRAINT reviews_reviewinvitation_answered_by_the_invitee",
        ),
        status_transitions("reviews_review", REVIEW_STEPS),
        status_transitions("reviews_reviewreport", REPORT_STEPS),
        status_transitions("reviews_reviewinvitation", INVITATION_STEPS),
        # Evidence: the application adds and changes, it deletes nothing.
        privileges("reviews_review", "freelance_user", "SELECT, INSERT, UPDATE"),
        privileges("reviews_reviewreport", "freelance_user", "SELECT, INSERT, UPDATE"),
    ]  # fmt: skip
