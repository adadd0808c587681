"""An order is delivered or disputed by what a party hands in, who is staff as well; and paid while its price holds."""

from importlib import import_module

from django.db import migrations

from apps.common.parties import ACTOR
from apps.common.row_security import APPLICATION
from apps.common.sql import refusal, refuse_if, row_trigger

PRICE_HOLDS_DAYS = 30

IS_THERE = """
            is_there := CASE NEW.status
                WHEN 'delivered' THEN EXISTS (
                    SELECT FROM public.orders_delivery WHERE order_id = NEW.id AND status = 'submitted')
                ELSE EXISTS (
                    SELECT FROM public.orders_orderdispute
                    WHERE order_id = NEW.id AND status IN ('open', 'under_review')) END;"""
HANDED_IN = refuse_if(
    """NOT is_there
                AND (NOT public.acts_for_platform() OR coalesce(actor IN (NEW.client_id, NEW.freelancer_id), false))""",
    refusal(
        "orders_order_step_has_its_row", "status",
        'nothing was handed in by which the order %s becomes "%s"', "NEW.number", "NEW.status",
        hint="Write the delivery or the dispute first.",
    ),
)  # fmt: skip
# What was ordered once is no offer for ever: prices of the gig go on.
PRICE_HOLDS = refuse_if(
    f"OLD.created_at < statement_timestamp() - interval '{PRICE_HOLDS_DAYS} days'",
    refusal(
        "orders_order_is_paid_while_its_price_holds", "created_at",
        f"the order %s was written on %s, and its price held for {PRICE_HOLDS_DAYS} days", "NEW.number",
        "OLD.created_at::date", hint="Cancel it and order anew, at the price that is offered now.",
    ),
)  # fmt: skip
DATE_IS_TO_COME = refuse_if(
    # By the calendar of the parties, as it was chosen.
    "(NEW.due_at AT TIME ZONE 'Asia/Shanghai')::date < (statement_timestamp() AT TIME ZONE 'Asia/Shanghai')::date",
    refusal(
        "orders_order_is_paid_before_its_date", "due_at",
        "the order %s is due at %s, which is over before it is paid", "NEW.number", "NEW.due_at",
        hint="Let the platform take its fee back, and choose a later date.",
    ),
)  # fmt: skip
PAID = "current_user <> 'freelance_owner' AND OLD.status = 'pending_payment' AND NEW.status = 'paid'"


class Migration(migrations.Migration):
    dependencies = [("orders", "0029_every_party_is_named")]
    operations = [
        migrations.RunSQL(
            """
            DROP TRIGGER orders_order_whose_step_has_its_row ON orders_order;
            DROP FUNCTION orders_order_check_step();
            """,
            import_module("apps.orders.migrations.0018_whose_columns").STEPS,
        ),
        # Named behind orders_order_whose_columns: first it is asked whose step it is.
        row_trigger(
            "orders_order", "orders_order_whose_step_has_its_row", "BEFORE UPDATE", IS_THERE, HANDED_IN,
            declare=f"actor uuid := {ACTOR}; is_there boolean;",
            when=f"current_user = '{APPLICATION}' AND OLD.status <> NEW.status"
            " AND NEW.status IN ('delivered', 'disputed')",
        ),
        # By the ledger, which is not the application.
        row_trigger(
            "orders_order", "orders_order_is_paid_while_its_price_holds", "BEFORE UPDATE OF status", PRICE_HOLDS,
            when=PAID,
        ),
        row_trigger(
            "orders_order", "orders_order_is_paid_before_its_date", "BEFORE UPDATE OF status", DATE_IS_TO_COME,
            when=PAID,
        ),
    ]  # fmt: skip
