from django.db import migrations

from apps.common.sql import status_transitions


class Migration(migrations.Migration):
    dependencies = [("gigs", "0001_initial")]
    operations = [
        # A parent is exactly one level above, so a category can't be its own ancestor. Checked at once; a
        # transaction that moves a whole branch may defer it.
        migrations.RunSQL(
            """
            ALTER TABLE gigs_category ADD CONSTRAINT gigs_category_parent_is_one_level_up
                FOREIGN KEY (parent_id, parent_level) REFERENCES gigs_category (id, level) DEFERRABLE;
            """,
            "ALTER TABLE gigs_category DROP CONSTRAINT gigs_category_parent_is_one_level_up",
        ),
        status_transitions(
            "gigs_gig",
            {
                "": ("draft",),
                "draft": ("pending_review", "archived"),
                "pending_review": ("active", "rejected", "draft"),
                "active": ("paused", "rejected", "archived"),
                "paused": ("active", "archived"),
                "rejected": ("draft", "archived"),
            },
        ),
    ]
