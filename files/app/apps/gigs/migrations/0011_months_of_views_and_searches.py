from django.db import migrations

from apps.common.partman import kept_by_partman


class Migration(migrations.Migration):
    dependencies = [("gigs", "0010_limits_of_texts_hold")]
    operations = [kept_by_partman("gigs_gigview"), kept_by_partman("gigs_gigsearchhistory")]
