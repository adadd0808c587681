"""A report of a gig is decided by neither who reported nor whose gig it is, and stays what it was."""

from django.db import migrations

from apps.common.reports import decided_by_others, reported

PARTIES = (reported("gigs_gigreport", "gig_id freelancer_id evidence_keys"),)


class Migration(migrations.Migration):
    dependencies = [("gigs", "0021_written_as_it_happens")]
    operations = [
        *(each.triggers() for each in PARTIES),
        decided_by_others("gigs_gigreport", "ARRAY[NEW.freelancer_id]"),
    ]
