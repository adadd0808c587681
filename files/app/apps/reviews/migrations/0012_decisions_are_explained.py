from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reviews", "0011_rights")]
    operations = [ValidateConstraint("reviewreport", "reviews_reviewreport_decision_is_explained")]
