"""Where somebody's money goes is theirs alone to say; staff who are a party of an order ask for no decision about it."""

from dataclasses import replace
from importlib import import_module

from django.db import migrations

from apps.common.parties import PLATFORM, Parties, Side

WHOSE = import_module("apps.payments.migrations.0021_whose_columns")
BEFORE: tuple[Parties, ...] = WHOSE.PARTIES
ACCOUNT, REFUND = BEFORE
# What the platform verifies it does not write: whoever could do both would lead a payout to themselves.
HOLDER_ALONE = replace(WHOSE.HOLDER, alone=True)
PARTY = Side(
    name="party",
    acts="""EXISTS (SELECT FROM public.payments_escrow AS e JOIN public.orders_order AS o ON o.id = e.order_id
        WHERE e.id = {row}.escrow_id AND actor IN (o.client_id, o.freelancer_id))""",
)
PARTIES = (
    replace(
        ACCOUNT,
        by={HOLDER_ALONE: WHOSE.TARGET, WHOSE.HOLDER: "label is_default", PLATFORM: "verified_at"},
        new={HOLDER_ALONE: "true"},
    ),
    replace(REFUND, parties=(PARTY,)),
)


class Migration(migrations.Migration):
    dependencies = [("payments", "0025_paid_under_a_number")]
    operations = [now.instead_of(before) for now, before in zip(PARTIES, BEFORE, strict=True)]
