from django.db import migrations

from apps.common.sql import staff_only


class Migration(migrations.Migration):
    dependencies = [("reviews", "0005_search")]
    operations = [staff_only("reviews_reviewreport", "handled_by")]
