"""The ledger's functions on the money of orders: hold, release, refund."""

from django.db import migrations

from apps.common.sql import definer_of_the_ledger

LOCK_ORDER = """
CREATE FUNCTION ledger_lock_order(p_order uuid) RETURNS public.orders_order
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    ordered public.orders_order;
BEGIN
    SELECT * INTO ordered FROM public.orders_order WHERE id = p_order FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM public.ledger_refuse('ledger_order_exists', 'orders_order.id',
            format('there is no order %s', p_order), 'Name an order.');
    END IF;
    RETURN ordered;
END $function$;
"""

LOCK_HELD = """
-- The escrow of an order that still holds money which no open dispute is about.
CREATE FUNCTION ledger_lock_held_escrow(p_order public.orders_order) RETURNS public.payments_escrow
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    escrow public.payments_escrow;
BEGIN
    SELECT * INTO escrow FROM public.payments_escrow WHERE order_id = p_order.id FOR NO KEY UPDATE;
    IF escrow.status IS DISTINCT FROM 'held' THEN
        PERFORM public.ledger_refuse('ledger_escrow_is_held', 'payments_escrow.status',
            format('the escrow of order %s is "%s", it holds nothing', p_order.number,
                coalesce(escrow.status, 'missing')),
            'Its money was given away before, or never paid.');
    END IF;
    IF EXISTS (SELECT FROM public.orders_orderdispute
        WHERE order_id = p_order.id AND status IN ('open', 'under_review')) THEN
        PERFORM public.ledger_refuse('ledger_no_dispute_is_open', 'orders_orderdispute.status',
            format('the order %s is in dispute, its money stays', p_order.number), 'Decide the dispute first.');
    END IF;
    RETURN escrow;
END $function$;
"""

HOLD = """
CREATE FUNCTION ledger_hold_escrow(p_key text, p_order uuid) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    ordered public.orders_order := public.ledger_lock_order(p_order);
    wallet public.payments_wallet;
    entry_id uuid;
BEGIN
    PERFORM public.ledger_require_actor('ledger_payment_is_by_the_client', ordered.client_id, false);
    wallet := public.ledger_lock_wallet(ordered.client_id);
    entry_id := public.ledger_already_posted(p_key, 'payment', wallet.id, p_order, -ordered.total_amount);
    IF entry_id IS NOT NULL THEN
        RETURN entry_id;
    END IF;
    IF ordered.status <> 'pending_payment' THEN
        PERFORM public.ledger_refuse('ledger_order_waits_for_payment', 'orders_order.status',
            format('the order %s is "%s" and is not paid for now', ordered.number, ordered.status),
            'An order is paid once, while it is "pending_payment".');
    END IF;
    entry_id := public.ledger_post(
        p_key, 'payment', wallet.id, p_order, -ordered.total_amount, ordered.currency, ordered.number);
    INSERT INTO public.payments_escrow
        (order_id, amount, refunded_amount, released_amount, fee_amount, currency, status)
        VALUES (p_order, ordered.total_amount, 0, 0, 0, ordered.currency, 'held');
    UPDATE public.orders_order
        SET status = 'paid', paid_at = statement_timestamp(), updated_at = statement_timestamp() WHERE id = p_order;
    RETURN entry_id;
END $function$;
"""

RELEASE = """
-- The client accepts, or the platform does when the client is silent or a dispute is decided.
CREATE FUNCTION ledger_release_escrow(p_key text, p_order uuid) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    ordered public.orders_order := public.ledger_lock_order(p_order);
    escrow public.payments_escrow;
    wallet public.payments_wallet;
    fee numeric;
    entry_id uuid;
BEGIN
    PERFORM public.ledger_require_actor('ledger_release_is_by_the_client', ordered.client_id, true);
    SELECT id INTO wallet.id FROM public.payments_wallet WHERE user_id = ordered.freelancer_id;
    entry_id := public.ledger_already_posted(p_key, 'income', wallet.id, p_order, NULL);
    IF entry_id IS NOT NULL THEN
        RETURN entry_id;
    END IF;
    escrow := public.ledger_lock_held_escrow(ordered);
    IF ordered.status NOT IN ('delivered', 'disputed') THEN
        PERFORM public.ledger_refuse('ledger_release_is_after_delivery', 'orders_order.status',
            format('the order %s is "%s", there is nothing to accept', ordered.number, ordered.status),
            'Money is released when the work is delivered.');
    END IF;
    wallet := public.ledger_lock_wallet(ordered.freelancer_id);
    -- After a part was refunded, the platform keeps the same part of its fee.
    fee := round(ordered.service_fee * escrow.held_amount / escrow.amount, 2);
    entry_id := public.ledger_post(
        p_key, 'income', wallet.id, p_order, escrow.held_amount, escrow.currency, ordered.number);
    IF fee > 0 THEN
        PERFORM public.ledger_post(
            p_key || ':fee', 'fee', wallet.id, p_order, -fee, escrow.currency, ordered.number);
    END IF;
    UPDATE public.payments_escrow
        SET released_amount = escrow.held_amount - fee, fee_amount = fee, status = 'released',
            closed_at = statement_timestamp(), updated_at = statement_timestamp() WHERE id = escrow.id;
    UPDATE public.orders_order
        SET status = 'completed', completed_at = statement_timestamp(), updated_at = statement_timestamp()
        WHERE id = p_order;
    RETURN entry_id;
END $function$;
"""

REFUND = """
-- Pay what a refund asks for. The freelancer gives money back, or the platform decides.
CREATE FUNCTION ledger_refund(p_key text, p_refund uuid) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    ordered public.orders_order;
    escrow public.payments_escrow;
    refund public.payments_paymentrefund;
    wallet public.payments_wallet;
    entry_id uuid;
BEGIN
    SELECT order_id INTO ordered.id FROM public.payments_escrow
        WHERE id = (SELECT escrow_id FROM public.payments_paymentrefund WHERE id = p_refund);
    ordered := public.ledger_lock_order(ordered.id);
    PERFORM public.ledger_require_actor('ledger_refund_is_by_the_freelancer', ordered.freelancer_id, true);
    SELECT * INTO refund FROM public.payments_paymentrefund WHERE id = p_refund FOR NO KEY UPDATE;
    SELECT id INTO wallet.id FROM public.payments_wallet WHERE user_id = ordered.client_id;
    entry_id := public.ledger_already_posted(p_key, 'refund', wallet.id, ordered.id, refund.amount);
    IF entry_id IS NOT NULL THEN
        RETURN entry_id;
    END IF;
    IF refund.status <> 'requested' THEN
        PERFORM public.ledger_refuse('ledger_refund_is_open', 'payments_paymentrefund.status',
            format('the refund %s is "%s"', p_refund, refund.status), 'Ask for another refund.');
    END IF;
    escrow := public.ledger_lock_held_escrow(ordered);
    IF refund.amount > escrow.held_amount THEN
        PERFORM public.ledger_refuse('ledger_refund_at_most_held', 'payments_paymentrefund.amount',
            format('a refund of %s is more than the %s that the escrow of order %s holds', refund.amount,
                escrow.held_amount, ordered.number),
            'Refund what is held, or a part of it.');
    END IF;
    wallet := public.ledger_lock_wallet(ordered.client_id);
    entry_id := public.ledger_post(
        p_key, 'refund', wallet.id, ordered.id, refund.amount, escrow.currency, ordered.number);
    UPDATE public.payments_paymentrefund
        SET status = 'completed', transaction_id = entry_id, closed_at = statement_timestamp(),
            updated_at = statement_timestamp() WHERE id = p_refund;
    IF refund.amount < escrow.held_amount THEN
        UPDATE public.payments_escrow
            SET refunded_amount = refunded_amount + refund.amount, updated_at = statement_timestamp()
            WHERE id = escrow.id;
    ELSE
        UPDATE public.payments_escrow
            SET refunded_amount = refunded_amount + refund.amount, status = 'refunded',
                closed_at = statement_timestamp(), updated_at = statement_timestamp() WHERE id = escrow.id;
        UPDATE public.orders_order SET status = 'refunded', updated_at = statement_timestamp() WHERE id = ordered.id;
    END IF;
    RETURN entry_id;
END $function$;
"""

CLOSE_REFUND = """
-- No money moves: the freelancer or the platform rejects a refund, who asked for it withdraws it.
CREATE FUNCTION ledger_close_refund(p_refund uuid, p_status text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    refund public.payments_paymentrefund;
    freelancer uuid;
BEGIN
    SELECT freelancer_id INTO freelancer FROM public.orders_order AS o
        JOIN public.payments_escrow AS e ON e.order_id = o.id
        WHERE e.id = (SELECT escrow_id FROM public.payments_paymentrefund WHERE id = p_refund);
    SELECT * INTO refund FROM public.payments_paymentrefund WHERE id = p_refund FOR NO KEY UPDATE;
    IF p_status = 'withdrawn' THEN
        PERFORM public.ledger_require_actor('ledger_refund_is_withdrawn_by_its_asker', refund.requested_by_id, false);
    ELSE
        PERFORM public.ledger_require_actor('ledger_refund_is_rejected_by_the_freelancer', freelancer, true);
    END IF;
    UPDATE public.payments_paymentrefund
        SET status = p_status, closed_at = statement_timestamp(), updated_at = statement_timestamp()
        WHERE id = p_refund;
END $function$;
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0007_ledger")]
    operations = [
        definer_of_the_ledger(LOCK_ORDER, "ledger_lock_order(uuid)"),
        definer_of_the_ledger(LOCK_HELD, "ledger_lock_held_escrow(orders_order)"),
        definer_of_the_ledger(HOLD, "ledger_hold_escrow(text, uuid)", executed_by="freelance_user"),
        definer_of_the_ledger(RELEASE, "ledger_release_escrow(text, uuid)", executed_by="freelance_user"),
        definer_of_the_ledger(REFUND, "ledger_refund(text, uuid)", executed_by="freelance_user"),
        definer_of_the_ledger(CLOSE_REFUND, "ledger_close_refund(uuid, text)", executed_by="freelance_user"),
    ]
