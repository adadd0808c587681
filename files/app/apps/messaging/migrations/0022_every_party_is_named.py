"""Who is staff and gets a file has the rights of who gets it; the database dates what two people have together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from django.db import migrations

from apps.common.parties import Parties, Side, named

BEFORE: Sequence[Parties] = (
    *import_module("apps.messaging.migrations.0014_whose_columns").PARTIES,
    *import_module("apps.messaging.migrations.0015_reports_by_no_party").PARTIES,
)
TALKS = Side(
    name="talker",
    acts="""EXISTS (SELECT FROM public.messaging_message AS m
        JOIN public.messaging_conversation AS c ON c.id = m.conversation_id
        WHERE m.id = {row}.message_id AND actor IN (c.participant_low_id, c.participant_high_id))""",
)
MORE: Mapping[str, Any] = {
    "messaging_message": {"author": named("sender", "sender_id")},
    "messaging_messageattachment": {"parties": (TALKS,)},
}
PARTIES = tuple(replace(before, dated=True, **MORE.get(before.table, {})) for before in BEFORE)


class Migration(migrations.Migration):
    dependencies = [("messaging", "0016_texts_are_for_who_decides")]
    operations = [now.instead_of(before) for now, before in zip(PARTIES, BEFORE, strict=True)]
