"""A message is read by who got it, not even by the platform: said once, by Parties instead of a trigger beside it."""

from dataclasses import replace
from importlib import import_module

from django.db import migrations

from apps.common.parties import Parties

BEFORE: Parties = next(
    parties
    for parties in import_module("apps.messaging.migrations.0014_whose_columns").PARTIES
    if parties.table == "messaging_message"
)
PARTIES = (
    replace(
        BEFORE,
        by={side if side.name == "sender" else replace(side, alone=True): whose for side, whose in BEFORE.by.items()},
    ),
)
EARLIER = import_module("apps.messaging.migrations.0008_staff_decides_and_the_recipient_reads")
CHECK_READER = EARLIER.Migration.operations[-1]


class Migration(migrations.Migration):
    dependencies = [("messaging", "0016_texts_are_for_who_decides")]
    operations = [
        PARTIES[0].instead_of(BEFORE),
        migrations.RunSQL(CHECK_READER.reverse_sql, CHECK_READER.sql),
    ]
