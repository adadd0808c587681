"""Who decides about an order is no party of it, and what was said and delivered stays as it was."""

from django.db import migrations

from apps.common.public_rows import written_by
from apps.common.row_security import PLATFORM, row_security
from apps.common.sql import refusal, refuse_if, row_trigger

ACTOR = "actor uuid := nullif(current_setting('app.current_user_id', true), '')::uuid;"
BY_THE_APPLICATION = "current_user <> 'freelance_owner'"

READ_PARTIES = """
            SELECT client_id, freelancer_id INTO contract FROM public.orders_order WHERE id = NEW.order_id;"""
BY_NO_PARTY = refuse_if(
    """contract.client_id IN (actor, NEW.handled_by_id) OR contract.freelancer_id IN (actor, NEW.handled_by_id)""",
    refusal(
        "orders_orderdispute_handled_by_no_party", "handled_by_id",
        "the dispute %s is not handled by a party of its order", "NEW.id",
        hint="Let another member of staff decide, in their own name.",
    ),
)  # fmt: skip
BY_WHO_ACTS = refuse_if(
    "actor <> NEW.handled_by_id AND NEW.handled_by_id IS DISTINCT FROM OLD.handled_by_id",
    refusal(
        "orders_orderdispute_handled_by_who_acts", "handled_by_id",
        "%s does not decide in the name of %s", "actor", "NEW.handled_by_id", hint="Name the person who acts.",
    ),
)  # fmt: skip

MESSAGE_IS_FINAL = refusal(
    "orders_ordermessage_is_final", "body", "the message %s of the order %s cannot be rewritten",
    "OLD.id", "OLD.order_id", hint="Write another one.",
)  # fmt: skip
DELIVERY_IS_FINAL = refusal(
    "orders_delivery_is_final", "message", "what the delivery %s of the order %s says cannot be rewritten",
    "OLD.number", "OLD.order_id", hint="Deliver again.",
)  # fmt: skip


def changed(*columns: str) -> str:
    new, old = (", ".join(f"{row}.{column}" for column in columns) for row in ("NEW", "OLD"))
    return f"({new}) IS DISTINCT FROM ({old}) AND {BY_THE_APPLICATION}"


class Migration(migrations.Migration):
    dependencies = [("orders", "0012_row_security"), ("accounts", "0014_rights_are_given")]
    operations = [
        row_trigger(
            "orders_orderdispute",
            "orders_orderdispute_decided_by_no_party",
            "BEFORE INSERT OR UPDATE",
            READ_PARTIES,
            BY_NO_PARTY,
            BY_WHO_ACTS,
            declare=f"contract record; {ACTOR}",
            when=f"(NEW.handled_by_id IS NOT NULL OR NEW.status IN ('under_review', 'resolved')) AND {BY_THE_APPLICATION}",
        ),
        # The owner may replace texts: that is how a person's data is erased.
        row_trigger(
            "orders_ordermessage",
            "orders_ordermessage_keep",
            "BEFORE UPDATE",
            MESSAGE_IS_FINAL,
            when=changed("order_id", "sender_id", "body", "attachment_url", "created_at"),
        ),
        row_trigger(
            "orders_delivery",
            "orders_delivery_keep",
            "BEFORE UPDATE",
            DELIVERY_IS_FINAL,
            when=changed("order_id", "number", "message", "files"),
        ),
        # The whole platform's figures, counted by the roll-up.
        row_security("orders_orderstat", written_by(PLATFORM, sees=PLATFORM)),
    ]
