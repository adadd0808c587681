from django.db import migrations

from apps.common.text_columns import limits_hold


class Migration(migrations.Migration):
    dependencies = [("reviews", "0006_texts_have_no_length_of_type")]
    operations = [
        *limits_hold("reviews_reviewreport", resolution=500),
        *limits_hold("reviews_reviewtemplate", title=50),
    ]
