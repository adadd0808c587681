"""A party asks for a refund in their own name; the database dates it, and accounts for payouts."""

from dataclasses import replace
from importlib import import_module

from django.db import migrations

from apps.common.parties import Side

WHOSE = import_module("apps.payments.migrations.0026_targets_by_their_holder")
ACCOUNT, REFUND = WHOSE.PARTIES
# Staff of the platform who ask for what a dispute ends with are none.
ASKER = Side(name="asker", acts=f"actor = {{row}}.requested_by_id AND {WHOSE.PARTY.acts}")
PARTIES = (replace(ACCOUNT, dated=True), replace(REFUND, dated=True, author=ASKER))


class Migration(migrations.Migration):
    dependencies = [("payments", "0029_paid_with_a_fee")]
    operations = [now.instead_of(before) for now, before in zip(PARTIES, WHOSE.PARTIES, strict=True)]
