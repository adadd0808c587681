"""Who is staff and a party of an order sends its invitation to nobody; the database dates reviews and what hangs on them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from django.db import migrations

from apps.common.parties import Parties
from apps.orders.sql import PARTY

BEFORE: Sequence[Parties] = (
    *import_module("apps.reviews.migrations.0014_who_writes_a_review").PARTIES,
    *import_module("apps.reviews.migrations.0018_reports_by_no_party").PARTIES,
    *import_module("apps.reviews.migrations.0021_invitations_are_answered").PARTIES,
)
# Who is invited is one of the two.
MORE: Mapping[str, Any] = {"reviews_reviewinvitation": {"parties": (PARTY,)}}
PARTIES = tuple(replace(before, dated=True, **MORE.get(before.table, {})) for before in BEFORE)


class Migration(migrations.Migration):
    dependencies = [("reviews", "0021_invitations_are_answered"), ("orders", "0014_row_security")]
    operations = [now.instead_of(before) for now, before in zip(PARTIES, BEFORE, strict=True)]
