from django.db import migrations

from apps.common.text_columns import TextColumns, limits


class Migration(migrations.Migration):
    dependencies = [("common", "0004_sessions_are_private")]
    operations = [
        TextColumns("auditlog", ["table_name", "row_id", "operation", "login_role", "statement_role"]),
        *limits("common_auditlog", table_name=63, row_id=64, login_role=63, statement_role=63),
        TextColumns("release", ["release", "fixtures_digest", "restore_point"]),
        *limits("common_release", release=64, fixtures_digest=64, restore_point=32),
    ]
