"""What people say about each other after an order."""

from apps.reviews.models.feedback import ReviewHelpful, ReviewReport
from apps.reviews.models.invitation import ReviewInvitation, ReviewTemplate
from apps.reviews.models.review import Review
from apps.reviews.models.statistics import ReviewStat, UserRating

__all__ = [
    "Review",
    "ReviewHelpful",
    "ReviewInvitation",
    "ReviewReport",
    "ReviewStat",
    "ReviewTemplate",
    "UserRating",
]
