"""Who decides about an order is no party of it."""

from django.db import migrations

from apps.common.public_rows import written_by
from apps.common.row_security import PLATFORM, row_security
from apps.common.sql import refusal, refuse_if, row_trigger

ACTOR = "actor uuid := nullif(current_setting('app.current_user_id', true), '')::uuid;"
BY_THE_APPLICATION = "current_user <> 'freelance_owner'"

# Who is not of the platform is refused by the policies: these speak to staff.
READ_PARTIES = """
            SELECT client_id, freelancer_id INTO contract FROM public.orders_order WHERE id = NEW.order_id;"""
BY_NO_PARTY = refuse_if(
    """public.acts_for_platform() AND (contract.client_id IN (actor, NEW.handled_by_id)
                OR contract.freelancer_id IN (actor, NEW.handled_by_id))""",
    refusal(
        "orders_orderdispute_handled_by_no_party", "handled_by_id",
        "the dispute %s is not handled by a party of its order", "NEW.id",
        hint="Let another member of staff decide, in their own name.",
    ),
)  # fmt: skip
BY_WHO_ACTS = refuse_if(
    """public.acts_for_platform() AND actor <> NEW.handled_by_id
                AND NEW.handled_by_id IS DISTINCT FROM OLD.handled_by_id""",
    refusal(
        "orders_orderdispute_handled_by_who_acts", "handled_by_id",
        "%s does not decide in the name of %s", "actor", "NEW.handled_by_id", hint="Name the person who acts.",
    ),
)  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("orders", "0014_row_security"), ("accounts", "0016_rights_are_given")]
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
        # The whole platform's figures, counted by the roll-up.
        row_security("orders_orderstat", written_by(PLATFORM, sees=PLATFORM)),
    ]
