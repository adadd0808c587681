"""A report of a message is decided by neither who reported nor who wrote it, and stays what it was."""

from django.db import migrations

from apps.common.reports import decided_by_others, reported

PARTIES = (reported("messaging_messagereport", "message_id"),)


class Migration(migrations.Migration):
    dependencies = [("messaging", "0014_whose_columns")]
    operations = [
        *(each.triggers() for each in PARTIES),
        decided_by_others(
            "messaging_messagereport", "SELECT ARRAY[sender_id] FROM public.messaging_message WHERE id = NEW.message_id"
        ),
    ]
