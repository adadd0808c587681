"""The states of an order that speak of its money are reached by the ledger, which moves it: by no UPDATE, of nobody."""

from dataclasses import replace
from importlib import import_module

from django.db import migrations

from apps.common.parties import LEDGER, Parties

BEFORE: Parties = import_module("apps.orders.migrations.0023_at_the_price_of_the_offer").PARTIES[0]
PARTIES = (
    replace(
        BEFORE,
        steps={
            **BEFORE.steps,
            LEDGER: "pending_payment>paid delivered>completed disputed>completed paid>refunded in_progress>refunded"
            " revision>refunded disputed>refunded",
        },
    ),
)


class Migration(migrations.Migration):
    dependencies = [("orders", "0024_disputes_in_own_name")]
    operations = [PARTIES[0].instead_of(BEFORE)]
