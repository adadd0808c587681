"""A gig is its freelancer's; its approval, and what it is worth to others, are not."""

from django.db import migrations

from apps.common.parties import PLATFORM, Parties, named

FREELANCER = named("freelancer", "freelancer_id")
PARTIES = (
    Parties(
        table="gigs_gig",
        final="id created_at freelancer_id",
        author=FREELANCER,
        by={PLATFORM: "rating_average rating_count published_at"},
        # What was rejected comes back as a draft, what is on sale may be paused and go on.
        steps={
            FREELANCER: "draft>pending_review draft>archived pending_review>draft active>paused active>archived"
            " paused>active paused>archived rejected>draft rejected>archived",
            PLATFORM: "pending_review>active pending_review>rejected active>rejected",
        },
    ),
)


class Migration(migrations.Migration):
    dependencies = [("gigs", "0018_days")]
    operations = [each.triggers() for each in PARTIES]
