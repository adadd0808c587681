from django.db import migrations

from apps.common.text_columns import TextColumns, limits


class Migration(migrations.Migration):
    dependencies = [("messaging", "0004_integrity")]
    operations = [
        TextColumns("messageattachment", ["file_name", "mime_type", "sha256", "storage_key", "status"]),
        *limits("messaging_messageattachment", file_name=255, mime_type=100, storage_key=500),
        TextColumns("messagereaction", ["emoji"]),
        TextColumns("blockeduser", ["note"]),
        *limits("messaging_blockeduser", note=200),
        TextColumns("messagereport", ["reason", "status", "resolution"]),
        *limits("messaging_messagereport", resolution=500),
        TextColumns("messagetemplate", ["occasion", "title"]),
        *limits("messaging_messagetemplate", title=50),
    ]
