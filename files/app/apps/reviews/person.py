"""What of a person stands in reviews, which others choose by, and what becomes of it."""

from apps.common.person import Nobody, Personal
from apps.reviews.models import (
    Review,
    ReviewHelpful,
    ReviewInvitation,
    ReviewReport,
    ReviewStat,
    ReviewTemplate,
    UserRating,
)

DECLARED = (
    Personal(model=ReviewHelpful, people=("user",), deleted=True),
    Personal(model=UserRating, people=("user",), deleted=True),
    Personal(model=ReviewInvitation, people=("invitee",), facts="sent_at reminders_sent expires_at"),
    Personal(
        model=ReviewReport,
        people=("reporter",),
        mentioned=("handled_by", "review__author", "review__subject"),
        redacted="details resolution",
        facts="handled_at",
    ),
    Personal(
        model=Review,
        people=("author", "subject"),
        redacted="content reply_text",
        facts="rating_overall rating_communication rating_quality rating_timeliness is_anonymous published_at"
        " replied_at",
    ),
    Nobody(ReviewStat),
    Nobody(ReviewTemplate),
)
