from django.db import migrations

from apps.common.text_columns import limits_hold


class Migration(migrations.Migration):
    dependencies = [("common", "0005_texts_have_no_length_of_type")]
    operations = [
        *limits_hold("common_auditlog", table_name=63, row_id=64, login_role=63, statement_role=63),
        *limits_hold("common_release", release=64, fixtures_digest=64, restore_point=32),
    ]
