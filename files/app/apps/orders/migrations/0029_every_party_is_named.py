"""Who is staff and a party of an order has the rights of a party, in all that hangs on it; the database dates new rows."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

from django.db import migrations

from apps.common.parties import Parties, named
from apps.orders.sql import PARTY

WHOSE = import_module("apps.orders.migrations.0018_whose_columns")
BEFORE: Mapping[str, Parties] = {
    parties.table: parties
    for parties in (*WHOSE.PARTIES, *import_module("apps.orders.migrations.0025_money_by_the_ledger").PARTIES)
}
# The sides of these were one of the two: the other one, as staff, was the platform.
MORE: Mapping[str, Any] = {
    "orders_orderextra": {"parties": (PARTY,)},
    "orders_ordermessage": {"parties": (PARTY,), "author": named("sender", "sender_id")},
    "orders_orderdispute": {"parties": (PARTY,), "author": WHOSE.RAISER},
    "orders_ordercancellation": {"author": WHOSE.ASKER},
}
PARTIES = tuple(replace(before, dated=True, **MORE.get(table, {})) for table, before in BEFORE.items())


class Migration(migrations.Migration):
    dependencies = [("orders", "0028_fees_are_written")]
    operations = [*(now.instead_of(BEFORE[now.table]) for now in PARTIES)]
