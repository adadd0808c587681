from django.db import migrations

from apps.common.rules import written_as_it_happens


class Migration(migrations.Migration):
    # `acts_for_platform` is of accounts.0014.
    dependencies = [("gigs", "0020_audit_of_moderation"), ("accounts", "0014_row_security")]
    operations = [written_as_it_happens("gigs_gigview"), written_as_it_happens("gigs_gigsearchhistory")]
