"""What of an order, and of what hangs on it, is whose: the policies let both of its parties reach every row."""

from django.db import migrations

from apps.common.parties import PLATFORM, Parties, Side, named
from apps.common.sql import privileges
from apps.orders.sql import CLIENT, FREELANCER, PARTY, of_other_party

ORDERING_CLIENT = Side(
    name="client_before_payment", acts="actor = {row}.client_id AND {row}.status = 'pending_payment'"
)
ASKER = named("asker", "requested_by_id")
ASKED = of_other_party("other_party", than="requested_by_id")
RAISER = named("raiser", "raised_by_id")

PARTIES = (
    Parties(
        table="orders_order",
        # What is agreed is not extended by the one side, nor cut by the other.
        final="id created_at number client_id freelancer_id gig_id package_id currency",
        author=ORDERING_CLIENT,
        by={ORDERING_CLIENT: "unit_price quantity service_fee requirements_text due_at"},
        steps={
            named("client", "client_id"): "delivered>revision",
            named("freelancer", "freelancer_id"): "paid>in_progress in_progress>delivered revision>delivered",
            named("party", "client_id", "freelancer_id"): "pending_payment>cancelled in_progress>disputed"
            " delivered>disputed revision>disputed",
        },
        stamps={"paid_at": "paid", "completed_at": "completed"},
    ),
    Parties(
        table="orders_orderextra",
        final="id created_at order_id",
        by={CLIENT: "gig_extra_id name unit_price quantity currency additional_days"},
        removed_by=CLIENT,
    ),
    Parties(
        table="orders_orderrequirement",
        final="id created_at order_id question kind is_required sort_order",
        # The question may be dropped from the gig.
        by={CLIENT: "answer answer_file_url answered_at", PARTY: "gig_requirement_id"},
    ),
    Parties(
        table="orders_delivery",
        final="id created_at order_id number message files",
        by={CLIENT: "feedback"},
        steps={CLIENT: "submitted>accepted submitted>revision_requested"},
        stamps={"decided_at": "accepted revision_requested"},
        new={FREELANCER: "true"},
    ),
    Parties(
        table="orders_ordermessage",
        final="id created_at order_id sender_id body attachment_url",
        by={of_other_party("recipient", than="sender_id"): "read_at"},
        dated=True,
    ),
    Parties(
        table="orders_orderdispute",
        final="id created_at order_id raised_by_id reason description",
        by={PLATFORM: "resolution refund_amount resolution_note handled_by_id"},
        steps={RAISER: "open>withdrawn under_review>withdrawn"},
        stamps={"closed_at": "resolved withdrawn"},
    ),
    Parties(
        table="orders_ordercancellation",
        final="id created_at order_id requested_by_id reason note",
        by={ASKED: "answer"},
        steps={ASKER: "requested>withdrawn", ASKED: "requested>accepted requested>declined"},
        stamps={"answered_at": "accepted declined withdrawn"},
    ),
    Parties(
        table="orders_orderreview",
        final="id created_at order_id requested_by_id reviewer_id expires_at",
        author=ASKER,
        by={ASKER: "message reminders reminded_at"},
        steps={named("reviewer", "reviewer_id"): "requested>reviewed requested>declined"},
    ),
)

STEPS = """
-- A party says by its row that it delivers or disputes; the platform may take an order there without one.
CREATE FUNCTION orders_order_check_step() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    is_there boolean := CASE NEW.status
        WHEN 'delivered' THEN EXISTS (
            SELECT FROM public.orders_delivery WHERE order_id = NEW.id AND status = 'submitted')
        ELSE EXISTS (
            SELECT FROM public.orders_orderdispute WHERE order_id = NEW.id AND status IN ('open', 'under_review')) END;
BEGIN
    IF NOT is_there AND NOT public.acts_for_platform() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'status',
            CONSTRAINT = 'orders_order_step_has_its_row',
            MESSAGE = format('nothing was handed in by which the order %s becomes "%s" (orders_order_step_has_its_row)',
                NEW.number, NEW.status),
            HINT = 'Write the delivery or the dispute first.';
    END IF;
    RETURN NEW;
END $function$;
-- Named behind orders_order_whose_columns: first it is asked whose step it is.
CREATE TRIGGER orders_order_whose_step_has_its_row BEFORE UPDATE ON orders_order
    FOR EACH ROW WHEN (current_user = 'freelance_user' AND OLD.status <> NEW.status
        AND NEW.status IN ('delivered', 'disputed'))
    EXECUTE FUNCTION orders_order_check_step();
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0017_days"), ("accounts", "0014_row_security")]
    operations = [
        *(parties.triggers() for parties in PARTIES),
        migrations.RunSQL(
            STEPS,
            """
            DROP TRIGGER orders_order_whose_step_has_its_row ON orders_order;
            DROP FUNCTION orders_order_check_step();
            """,
        ),
        # A part of the contract.
        privileges("orders_orderrequirement", "freelance_user", "SELECT, INSERT, UPDATE"),
    ]
