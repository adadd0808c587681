from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("gigs", "0012_amounts_are_numbers")]
    operations = [ValidateConstraint("gigstat", "gigs_gigstat_revenue_is_a_number")]
