from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payments", "0024_speaking_names")]
    operations = [ValidateConstraint("withdrawal", "payments_withdrawal_paid_under_a_number")]
