"""Who is staff and gets a file has the rights of who gets it; the database dates what two people have together."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

from django.db import migrations

from apps.common.parties import Parties, Side, named

BEFORE: Mapping[str, Parties] = {
    parties.table: parties
    for earlier in ("0014_whose_columns", "0015_reports_by_no_party", "0017_read_by_who_got_it")
    for parties in import_module(f"apps.messaging.migrations.{earlier}").PARTIES
}
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
PARTIES = tuple(replace(before, dated=True, **MORE.get(table, {})) for table, before in BEFORE.items())


class Migration(migrations.Migration):
    dependencies = [("messaging", "0017_read_by_who_got_it")]
    operations = [now.instead_of(BEFORE[now.table]) for now in PARTIES]
