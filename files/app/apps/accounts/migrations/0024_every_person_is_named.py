"""Who is staff does not say how fast they answer themselves; the database dates profiles and papers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from django.db import migrations

from apps.common.parties import Parties, named

BEFORE: Sequence[Parties] = (
    *import_module("apps.accounts.migrations.0017_shown_or_kept").PARTIES,
    *import_module("apps.accounts.migrations.0019_who_decides_on_papers").PARTIES,
)
MORE: Mapping[str, Any] = {"accounts_userprofile": {"parties": (named("person", "user_id"),)}}
PARTIES = tuple(replace(before, dated=True, **MORE.get(before.table, {})) for before in BEFORE)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0023_users_by_part_of_name")]
    operations = [now.instead_of(before) for now, before in zip(PARTIES, BEFORE, strict=True)]
