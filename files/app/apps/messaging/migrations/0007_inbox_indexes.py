from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index of a big table is built beside its writers, which no transaction can do.
    atomic = False
    dependencies = [("messaging", "0006_limits_of_texts_hold")]
    operations = [
        AddIndexConcurrently("conversation", models.Index(fields=["participant_high"], name="conversations_of_high")),
        # No plan takes an inbox's order from them, and for them each message changed an index of its conversation.
        RemoveIndexConcurrently("conversation", "conversations_of_high_newest"),
        RemoveIndexConcurrently("conversation", "conversations_of_low_newest"),
    ]
