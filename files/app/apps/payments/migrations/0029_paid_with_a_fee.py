"""Nothing is paid before the platform has written the fee."""

from importlib import import_module

from django.db import migrations

from apps.common.sql import definer_of_the_ledger

HOLD = """
-- p_amount: what the client was shown. Price and extras may have changed since.
CREATE FUNCTION ledger_hold_escrow(p_key text, p_order uuid, p_amount numeric) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    ordered public.orders_order := public.ledger_lock_order(p_order);
    wallet public.payments_wallet;
    entry_id uuid;
BEGIN
    PERFORM public.ledger_require_actor('ledger_payment_is_by_the_client', ordered.client_id, false);
    IF ordered.service_fee IS NULL THEN
        PERFORM public.ledger_refuse('ledger_order_has_its_fee', 'orders_order.service_fee',
            format('the order %s has no fee yet, so nobody knows what it costs', ordered.number),
            'Let the platform write the fee, and show the client the total.');
    END IF;
    IF p_amount IS DISTINCT FROM ordered.total_amount THEN
        PERFORM public.ledger_refuse('ledger_amount_is_as_shown', 'orders_order.total_amount',
            format('the order %s costs %s, not the %s that were shown', ordered.number, ordered.total_amount,
                coalesce(p_amount::text, 'nothing')),
            'Show the client the order as it is now, and ask again.');
    END IF;
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

# What stood there before, for the way back.
BEFORE = import_module("apps.payments.migrations.0022_amount_as_shown").HOLD
SIGNATURE = "ledger_hold_escrow(text, uuid, numeric)"
EXECUTED_BY = "freelance_user"


class Migration(migrations.Migration):
    dependencies = [("payments", "0028_notes_are_for_who_decides"), ("orders", "0027_the_fee_fixes_the_price")]
    operations = [
        migrations.RunSQL(
            f"DROP FUNCTION {SIGNATURE}", definer_of_the_ledger(BEFORE, SIGNATURE, executed_by=EXECUTED_BY).sql
        ),
        definer_of_the_ledger(HOLD, SIGNATURE, executed_by=EXECUTED_BY),
    ]
