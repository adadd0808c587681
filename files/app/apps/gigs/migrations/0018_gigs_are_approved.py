"""A gig is its freelancer's, its approval and what it is worth to others are not."""

from django.db import migrations

from apps.common.columns import ACTOR, columns_of
from apps.common.row_security import APPLICATION, PLATFORM
from apps.common.sql import refusal, refuse_if, row_trigger

# What was rejected comes back as a draft, what is on sale may be paused and go on.
APPROVED = refuse_if(
    f"NOT {PLATFORM}",
    refusal(
        "gigs_gig_is_approved_by_the_platform", "status",
        'that the gig %s goes from "%s" to "%s" is not for %s to say', "NEW.id", "OLD.status", "NEW.status", ACTOR,
        hint="Act as the platform.",
    ),
)  # fmt: skip
APPROVALS = "('pending_review', 'active'), ('pending_review', 'rejected'), ('active', 'rejected')"


class Migration(migrations.Migration):
    dependencies = [("gigs", "0016_days")]
    operations = [
        row_trigger(
            "gigs_gig", "gigs_gig_is_approved_by_the_platform", "BEFORE UPDATE", APPROVED,
            when=f"(OLD.status, NEW.status) IN ({APPROVALS}) AND current_user = '{APPLICATION}'",
        ),
        columns_of(
            "gigs_gig_is_dated_and_rated_by_the_platform", "gigs_gig",
            {"rating_average": "0", "rating_count": "0", "published_at": "NULL"}, PLATFORM, of="the platform",
        ),
    ]  # fmt: skip
