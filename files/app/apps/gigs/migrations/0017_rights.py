"""A gig is for everybody, and its freelancer's to write. What a person looks at and keeps in mind is theirs."""

from django.db import migrations

from apps.common.public_rows import public_rows, written_by, written_by_the_platform
from apps.common.row_security import PLATFORM, own, row_security
from apps.common.sql import refusal, row_trigger

DRAFTS_ARE_DELETED = refusal(
    "gigs_gig_only_a_draft_is_deleted", "status", 'the gig %s is "%s" and is not deleted', "OLD.id", "OLD.status",
    hint="Archive it.",
)  # fmt: skip


def of_own_gig(table: str) -> str:
    """Return the condition that the row's gig is the acting person's, or that the platform acts."""
    return f"""EXISTS (SELECT FROM public.gigs_gig AS parent
        WHERE parent.id = {table}.gig_id AND ({own("parent.freelancer_id")}))"""


class Migration(migrations.Migration):
    dependencies = [("gigs", "0016_views_and_stats_are_kept"), ("accounts", "0016_rights_are_given")]
    operations = [
        public_rows("gigs_gig", own("freelancer_id")),
        row_trigger(
            "gigs_gig",
            "gigs_gig_only_a_draft_is_deleted",
            "AFTER DELETE",
            DRAFTS_ARE_DELETED,
            when="OLD.status <> 'draft' AND current_user <> 'freelance_owner'",
        ),
        *(
            public_rows(table, of_own_gig(table))
            for table in ("gigs_gigpackage", "gigs_gigrequirement", "gigs_gigfaq", "gigs_gigextra")
        ),
        written_by_the_platform("gigs_category"),
        row_security("gigs_gigfavorite", {"ALL": own("user_id")}),
        row_security(
            "gigs_gigview",
            {
                # Of a visitor nobody is known. Their freelancer sees the figures of each day.
                "SELECT": f"viewer_id IS NULL OR {own('viewer_id')}",
                "INSERT": f"viewer_id IS NULL OR {own('viewer_id')}",
            },
        ),
        # Counted by the roll-up.
        row_security("gigs_gigstat", written_by(PLATFORM, sees=of_own_gig("gigs_gigstat"))),
    ]
