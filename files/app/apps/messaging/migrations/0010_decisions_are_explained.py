from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("messaging", "0009_reports_are_decided")]
    operations = [ValidateConstraint("messagereport", "messaging_messagereport_decision_is_explained")]
