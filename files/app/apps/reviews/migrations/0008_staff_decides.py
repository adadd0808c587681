from django.db import migrations

from apps.common.sql import staff_only


class Migration(migrations.Migration):
    dependencies = [("reviews", "0007_limits_of_texts_hold")]
    operations = [staff_only("reviews_reviewreport", "handled_by")]
