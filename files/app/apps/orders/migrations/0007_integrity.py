from django.db import migrations

from apps.common.sql import privileges, staff_only, status_transitions
from apps.orders.sql import only_while_order_is, party_only

PARTY = """
-- Arguments: the rule's name and the column of the person. The rights of the owner are used, because who writes may
-- not see the order.
CREATE FUNCTION enforce_party_of_order() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    person uuid := (to_jsonb(NEW) ->> TG_ARGV[1])::uuid;
BEGIN
    PERFORM FROM public.orders_order WHERE id = NEW.order_id AND person IN (client_id, freelancer_id);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = TG_ARGV[1],
            CONSTRAINT = TG_ARGV[0],
            MESSAGE = format('the person %s is no party of the order %s (%s)', person, NEW.order_id, TG_ARGV[0]),
            HINT = 'Only the client and the freelancer of an order may do this.';
    END IF;
    RETURN NEW;
END $function$;
"""

STATUS = """
-- Arguments: the rule's name, then each state that the order may be in. The order stays locked until the row is
-- committed: it can't leave that state in between.
CREATE FUNCTION enforce_order_status() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    found_status text;
BEGIN
    SELECT status INTO found_status FROM public.orders_order WHERE id = NEW.order_id FOR NO KEY UPDATE;
    IF found_status = ANY (TG_ARGV[1:]) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'order_id',
        CONSTRAINT = TG_ARGV[0],
        MESSAGE = format('the order %s is "%s" (%s)', NEW.order_id, coalesce(found_status, 'missing'), TG_ARGV[0]),
        HINT = 'The order has to be: ' || array_to_string(TG_ARGV[1:], ', ') || '.';
END $function$;
"""

CONTRACT = """
CREATE FUNCTION orders_order_refuse_another_contract() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
        CONSTRAINT = 'orders_order_contract_is_fixed',
        MESSAGE = format('the order %s is "%s": parties, package and price stay as agreed (orders_order_contract_is_fixed)',
            OLD.number, OLD.status),
        HINT = 'Parties, gig and package never change, the price only before payment. Cancel, and order again.';
END $function$;
CREATE TRIGGER orders_order_contract_is_fixed BEFORE UPDATE ON orders_order
    FOR EACH ROW WHEN (
        (OLD.number, OLD.client_id, OLD.freelancer_id, OLD.gig_id, OLD.package_id, OLD.currency)
            IS DISTINCT FROM (NEW.number, NEW.client_id, NEW.freelancer_id, NEW.gig_id, NEW.package_id, NEW.currency)
        OR OLD.status <> 'pending_payment'
            AND (OLD.unit_price, OLD.quantity, OLD.extras_amount, OLD.service_fee)
                IS DISTINCT FROM (NEW.unit_price, NEW.quantity, NEW.extras_amount, NEW.service_fee))
    EXECUTE FUNCTION orders_order_refuse_another_contract();
"""

EXTRAS = """
-- The order is locked first: its payment and its extras come one after the other.
CREATE FUNCTION orders_orderextra_check() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    extra public.orders_orderextra;
    ordered public.orders_order;
BEGIN
    IF TG_OP = 'DELETE' THEN
        extra := OLD;
    ELSE
        extra := NEW;
    END IF;
    SELECT * INTO ordered FROM public.orders_order WHERE id = extra.order_id FOR NO KEY UPDATE;
    IF ordered.status <> 'pending_payment' OR TG_OP = 'UPDATE' AND NEW.order_id <> OLD.order_id THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'order_id',
            CONSTRAINT = 'orders_orderextra_chosen_before_payment',
            MESSAGE = format('the order %s is "%s": its extras stay as paid for (orders_orderextra_chosen_before_payment)',
                ordered.number, ordered.status),
            HINT = 'Extras are chosen while an order waits for its payment. Place a new order for more.';
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM FROM public.gigs_gigextra
            WHERE id = extra.gig_extra_id AND gig_id = ordered.gig_id AND is_active FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'gig_extra_id',
                CONSTRAINT = 'orders_orderextra_is_on_sale_with_the_gig',
                MESSAGE = format('the extra %s is not on sale with the gig %s (orders_orderextra_is_on_sale_with_the_gig)',
                    extra.gig_extra_id, ordered.gig_id),
                HINT = 'Choose an active extra of the gig that is ordered.';
        END IF;
        RETURN NEW;
    END IF;
    RETURN OLD;
END $function$;
CREATE TRIGGER orders_orderextra_check BEFORE INSERT OR UPDATE OR DELETE ON orders_orderextra
    FOR EACH ROW EXECUTE FUNCTION orders_orderextra_check();

-- Whatever is written into extras_amount, the sum takes its place. The name sorts before that of the contract's rule,
-- which then compares the true sum.
CREATE FUNCTION orders_order_add_extras() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    SELECT coalesce(sum(amount), 0) INTO NEW.extras_amount FROM public.orders_orderextra WHERE order_id = NEW.id;
    RETURN NEW;
END $function$;
CREATE TRIGGER orders_order_adds_extras BEFORE INSERT OR UPDATE OF extras_amount ON orders_order
    FOR EACH ROW EXECUTE FUNCTION orders_order_add_extras();

CREATE FUNCTION orders_orderextra_add_up() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    UPDATE public.orders_order SET extras_amount = 0, updated_at = statement_timestamp()
        WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.order_id ELSE NEW.order_id END;
    RETURN NULL;
END $function$;
CREATE TRIGGER orders_orderextra_add_up AFTER INSERT OR UPDATE OR DELETE ON orders_orderextra
    FOR EACH ROW EXECUTE FUNCTION orders_orderextra_add_up();
"""

DISPUTE = """
CREATE FUNCTION orders_orderdispute_check_refund() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    total numeric;
BEGIN
    SELECT total_amount INTO total FROM public.orders_order WHERE id = NEW.order_id;
    IF NEW.refund_amount > total THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'refund_amount',
            CONSTRAINT = 'orders_orderdispute_refund_at_most_total',
            MESSAGE = format('a refund of %s is more than the order''s total of %s (orders_orderdispute_refund_at_most_total)',
                NEW.refund_amount, total),
            HINT = 'Refund the total, or a part of it.';
    END IF;
    RETURN NEW;
END $function$;
CREATE TRIGGER orders_orderdispute_refund_at_most_total BEFORE INSERT OR UPDATE OF refund_amount, order_id
    ON orders_orderdispute FOR EACH ROW EXECUTE FUNCTION orders_orderdispute_check_refund();
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0006_reviews_and_statistics"), ("accounts", "0004_verification")]
    operations = [
        migrations.RunSQL(PARTY, "DROP FUNCTION enforce_party_of_order()"),
        migrations.RunSQL(STATUS, "DROP FUNCTION enforce_order_status()"),
        migrations.RunSQL(
            CONTRACT,
            """
            DROP TRIGGER orders_order_contract_is_fixed ON orders_order;
            DROP FUNCTION orders_order_refuse_another_contract();
            """,
        ),
        migrations.RunSQL(
            EXTRAS,
            """
            DROP TRIGGER orders_orderextra_add_up ON orders_orderextra;
            DROP FUNCTION orders_orderextra_add_up();
            DROP TRIGGER orders_order_adds_extras ON orders_order;
            DROP FUNCTION orders_order_add_extras();
            DROP TRIGGER orders_orderextra_check ON orders_orderextra;
            DROP FUNCTION orders_orderextra_check();
            """,
        ),
        only_while_order_is("orders_delivery", "in_work", ["in_progress", "revision"]),
        status_transitions("orders_delivery", {"": ("submitted",), "submitted": ("accepted", "revision_requested")}),
        party_only("orders_ordermessage", "sender"),
        party_only("orders_orderdispute", "raised_by"),
        only_while_order_is(
            "orders_orderdispute", "in_work_or_delivered", ["in_progress", "delivered", "revision", "disputed"]
        ),
        staff_only("orders_orderdispute", "handled_by"),
        migrations.RunSQL(
            DISPUTE,
            """
            DROP TRIGGER orders_orderdispute_refund_at_most_total ON orders_orderdispute;
            DROP FUNCTION orders_orderdispute_check_refund();
            """,
        ),
        status_transitions(
            "orders_orderdispute",
            {"": ("open",), "open": ("under_review", "withdrawn"), "under_review": ("resolved", "withdrawn")},
        ),
        party_only("orders_ordercancellation", "requested_by"),
        only_while_order_is(
            "orders_ordercancellation",
            "not_over",
            ["pending_payment", "paid", "in_progress", "delivered", "revision", "disputed"],
        ),
        status_transitions(
            "orders_ordercancellation",
            {"": ("requested",), "requested": ("accepted", "declined", "withdrawn")},
        ),
        party_only("orders_orderreview", "requested_by"),
        party_only("orders_orderreview", "reviewer"),
        only_while_order_is("orders_orderreview", "completed", ["completed"]),
        status_transitions(
            "orders_orderreview", {"": ("requested",), "requested": ("reviewed", "declined", "expired")}
        ),
        # What was delivered and said is evidence: nobody takes it back.
        privileges("orders_delivery", "freelance_user", "SELECT, INSERT, UPDATE"),
        privileges("orders_ordermessage", "freelance_user", "SELECT, INSERT, UPDATE"),
        privileges("orders_orderdispute", "freelance_user", "SELECT, INSERT, UPDATE"),
        privileges("orders_ordercancellation", "freelance_user", "SELECT, INSERT, UPDATE"),
    ]
