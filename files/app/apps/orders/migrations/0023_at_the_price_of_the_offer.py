"""A client orders at the prices of package and extras. What was agreed instead, and the fee, is the platform's to write."""

from dataclasses import replace
from importlib import import_module

from django.db import migrations

from apps.common.parties import ACTOR, PLATFORM, Parties
from apps.common.row_security import APPLICATION
from apps.common.sql import refusal, refuse_if, row_trigger

WHOSE = import_module("apps.orders.migrations.0018_whose_columns")
BEFORE: Parties = next(parties for parties in WHOSE.PARTIES if parties.table == "orders_order")
PARTIES = (
    replace(
        BEFORE, by={WHOSE.ORDERING_CLIENT: "unit_price quantity requirements_text due_at", PLATFORM: "service_fee"}
    ),
)

# Who is staff and a party has the rights of a party. An agreed price stays when the client changes something else.
BY_A_PARTY = "(NOT public.acts_for_platform() OR actor IN (contract.client_id, contract.freelancer_id))"
OFFERED = "SELECT price INTO offered FROM public.{0} WHERE id = NEW.{1};"
HINT = "Order at the price that is offered, or let the platform write what was agreed."


class Migration(migrations.Migration):
    dependencies = [("orders", "0022_what_waits_too_long")]
    operations = [
        migrations.RunSQL(BEFORE.triggers().reverse_sql or "", BEFORE.triggers().sql),
        *(parties.triggers() for parties in PARTIES),
        # Both named behind …_whose_columns: first it is asked whose the price is.
        row_trigger(
            "orders_order",
            "orders_order_whose_price_is_the_packages",
            "BEFORE INSERT OR UPDATE OF unit_price",
            "contract := NEW;",
            OFFERED.format("gigs_gigpackage", "package_id"),
            refuse_if(
                f"NEW.unit_price <> offered AND NEW.unit_price IS DISTINCT FROM OLD.unit_price AND {BY_A_PARTY}",
                refusal(
                    "orders_order_unit_price_is_the_packages", "unit_price",
                    "the order %s has the unit price %s, its package costs %s", "NEW.number", "NEW.unit_price",
                    "offered", hint=HINT,
                ),
            ),
            declare=f"actor uuid := {ACTOR}; contract public.orders_order; offered numeric;",
            when=f"current_user = '{APPLICATION}'",
        ),
        row_trigger(
            "orders_orderextra",
            "orders_orderextra_whose_price_is_the_gigs",
            "BEFORE INSERT OR UPDATE OF unit_price, gig_extra_id",
            "SELECT * INTO contract FROM public.orders_order WHERE id = NEW.order_id;",
            OFFERED.format("gigs_gigextra", "gig_extra_id"),
            refuse_if(
                f"""NEW.unit_price <> offered AND {BY_A_PARTY}
                AND (NEW.unit_price, NEW.gig_extra_id) IS DISTINCT FROM (OLD.unit_price, OLD.gig_extra_id)""",
                refusal(
                    "orders_orderextra_unit_price_is_the_gigs", "unit_price",
                    'the extra "%s" has the unit price %s, the gig offers it for %s', "NEW.name", "NEW.unit_price",
                    "offered", hint=HINT,
                ),
            ),
            declare=f"actor uuid := {ACTOR}; contract public.orders_order; offered numeric;",
            when=f"current_user = '{APPLICATION}'",
        ),
    ]  # fmt: skip
