"""A review is written by its author, an invitation is its invitee's. 0014 narrows who sees a review."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

from apps.common.public_rows import public_rows, written_by_the_platform
from apps.common.reports import handled_by_no_party
from apps.common.row_security import PLATFORM, own, row_security


class Migration(migrations.Migration):
    dependencies = [("reviews", "0010_row_security"), ("accounts", "0016_rights_are_given")]
    operations = [
        row_security(
            "reviews_review",
            # Its subject replies.
            {"SELECT": "true", "INSERT": own("author_id"), "UPDATE": own("author_id", "subject_id")},
        ),
        public_rows("reviews_reviewhelpful", own("user_id")),
        row_security(
            "reviews_reviewinvitation",
            {"SELECT": own("invitee_id"), "INSERT": PLATFORM, "UPDATE": own("invitee_id"), "DELETE": PLATFORM},
        ),
        handled_by_no_party(
            "reviews_reviewreport",
            "SELECT unnest(ARRAY[author_id, subject_id]) FROM public.reviews_review WHERE id = NEW.review_id",
        ),
        AddConstraintNotValid(
            "reviewreport",
            models.CheckConstraint(
                condition=models.Q(status__in=["open", "reviewing"]) | models.Q(resolution__regex=r"\S"),
                name="reviews_reviewreport_decision_is_explained",
                violation_error_message="处理完毕的举报须有结果说明。",
            ),
        ),
        # Counted by the roll-up.
        written_by_the_platform("reviews_userrating"),
        written_by_the_platform("reviews_reviewstat"),
        written_by_the_platform("reviews_reviewtemplate"),
    ]
