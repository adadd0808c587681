from django.db import migrations

from apps.common.text_columns import limits_hold


class Migration(migrations.Migration):
    dependencies = [("messaging", "0005_texts_have_no_length_of_type")]
    operations = [
        *limits_hold("messaging_messageattachment", file_name=255, mime_type=100, storage_key=500),
        *limits_hold("messaging_blockeduser", note=200),
        *limits_hold("messaging_messagereport", resolution=500),
        *limits_hold("messaging_messagetemplate", title=50),
    ]
