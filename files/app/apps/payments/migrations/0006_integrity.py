from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

from apps.common.sql import privileges, status_transitions

REFUND = """
-- The rights of the owner are used, because who asks may not see the escrow or the other party.
CREATE FUNCTION payments_paymentrefund_check() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    escrow public.payments_escrow;
    ordered public.orders_order;
BEGIN
    SELECT * INTO escrow FROM public.payments_escrow WHERE id = NEW.escrow_id;
    SELECT * INTO ordered FROM public.orders_order WHERE id = escrow.order_id;
    IF NEW.amount > escrow.amount THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'amount',
            CONSTRAINT = 'payments_paymentrefund_at_most_payment',
            MESSAGE = format('a refund of %s is more than the %s that were paid for order %s (payments_paymentrefund_at_most_payment)',
                NEW.amount, escrow.amount, ordered.number),
            HINT = format('The escrow still holds %s.', escrow.held_amount);
    END IF;
    IF NEW.requested_by_id NOT IN (ordered.client_id, ordered.freelancer_id)
        AND NOT EXISTS (SELECT FROM public.accounts_user WHERE id = NEW.requested_by_id AND is_staff) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'requested_by_id',
            CONSTRAINT = 'payments_paymentrefund_requested_by_a_party',
            MESSAGE = format('the person %s is no party of order %s (payments_paymentrefund_requested_by_a_party)',
                NEW.requested_by_id, ordered.number),
            HINT = 'The client, the freelancer or the staff asks for a refund.';
    END IF;
    IF NEW.dispute_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM public.orders_orderdispute WHERE id = NEW.dispute_id AND order_id = escrow.order_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'dispute_id',
            CONSTRAINT = 'payments_paymentrefund_dispute_is_of_the_order',
            MESSAGE = format('the dispute %s is not about order %s (payments_paymentrefund_dispute_is_of_the_order)',
                NEW.dispute_id, ordered.number),
            HINT = 'Name the dispute that was decided.';
    END IF;
    RETURN NEW;
END $function$;
CREATE TRIGGER payments_paymentrefund_check BEFORE INSERT ON payments_paymentrefund
    FOR EACH ROW EXECUTE FUNCTION payments_paymentrefund_check();
"""

ORDER_AND_ESCROW = """
-- At the end of the transaction, when both have taken their step: an order is not paid without money in escrow, and
-- not over while there is some left.
CREATE FUNCTION payments_escrow_check_order() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    ordered public.orders_order;
    wanted text;
    found_status text;
BEGIN
    -- Once more: a later statement of the transaction may have changed it again.
    SELECT * INTO ordered FROM public.orders_order WHERE id = NEW.id;
    SELECT status INTO found_status FROM public.payments_escrow WHERE order_id = NEW.id;
    wanted := CASE ordered.status
        WHEN 'pending_payment' THEN NULL WHEN 'cancelled' THEN NULL
        WHEN 'completed' THEN 'released' WHEN 'refunded' THEN 'refunded' ELSE 'held' END;
    IF found_status IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'status',
            CONSTRAINT = 'orders_order_status_fits_escrow',
            MESSAGE = format('the order %s is "%s", but its escrow is "%s" (orders_order_status_fits_escrow)',
                ordered.number, ordered.status, coalesce(found_status, 'missing')),
            HINT = 'Pay, accept and refund by the functions of the ledger: they take both steps together.';
    END IF;
    RETURN NULL;
END $function$;
CREATE CONSTRAINT TRIGGER orders_order_status_fits_escrow AFTER UPDATE ON orders_order
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION payments_escrow_check_order();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0005_payouts")]
    operations = [
        ValidateConstraint("transaction", "payments_transaction_sign_fits_known_kind"),
        status_transitions(
            "payments_paymentmethod",
            {
                "": ("unverified",),
                "unverified": ("active", "disabled"),
                "active": ("disabled",),
                "disabled": ("unverified",),
            },
        ),
        status_transitions("payments_escrow", {"": ("held",), "held": ("released", "refunded")}),
        status_transitions(
            "payments_paymentrefund", {"": ("requested",), "requested": ("completed", "rejected", "withdrawn")}
        ),
        status_transitions("payments_payoutbatch", {"": ("submitted",), "submitted": ("settled",)}),
        status_transitions(
            "payments_withdrawal",
            {"": ("requested",), "requested": ("processing", "cancelled"), "processing": ("paid", "failed")},
        ),
        migrations.RunSQL(
            """
            ALTER TABLE payments_withdrawal ADD CONSTRAINT payments_withdrawal_account_is_the_persons_own
                FOREIGN KEY (payment_method_id, user_id) REFERENCES payments_paymentmethod (id, user_id);
            """,
            "ALTER TABLE payments_withdrawal DROP CONSTRAINT payments_withdrawal_account_is_the_persons_own",
        ),
        migrations.RunSQL(
            REFUND,
            """
            DROP TRIGGER payments_paymentrefund_check ON payments_paymentrefund;
            DROP FUNCTION payments_paymentrefund_check();
            """,
        ),
        migrations.RunSQL(
            ORDER_AND_ESCROW,
            """
            DROP TRIGGER orders_order_status_fits_escrow ON orders_order;
            DROP FUNCTION payments_escrow_check_order();
            """,
        ),
        # A refund is asked for by the application; all other rows about money are the ledger's to write.
        privileges("payments_paymentrefund", "freelance_user", "SELECT, INSERT"),
        privileges("payments_escrow", "freelance_user", "SELECT"),
        privileges("payments_payoutbatch", "freelance_user", "SELECT"),
        privileges("payments_withdrawal", "freelance_user", "SELECT"),
    ]
