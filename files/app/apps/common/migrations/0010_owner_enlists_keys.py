"""The owner alone enlists a key: by a number that no file has, whoever writes here could stop every host."""

from django.db import migrations

from apps.common.sql import privileges

TABLE, ROLE = "common_encryptionkey", "freelance_user"


class Migration(migrations.Migration):
    dependencies = [("common", "0009_erasures_redact")]
    operations = [
        migrations.RunSQL(privileges(TABLE, ROLE, "SELECT").sql, privileges(TABLE, ROLE, "SELECT, INSERT").sql),
    ]
