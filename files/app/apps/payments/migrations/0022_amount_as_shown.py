"""A payment is of the amount that its client saw, and a withdrawal goes to the account as it was verified."""

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

REQUEST = """
CREATE FUNCTION ledger_request_withdrawal(p_key text, p_payment_method uuid, p_amount numeric, p_currency text)
    RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    method public.payments_paymentmethod;
    wallet public.payments_wallet;
    entry_id uuid;
    withdrawal_id uuid;
BEGIN
    SELECT * INTO method FROM public.payments_paymentmethod WHERE id = p_payment_method;
    PERFORM public.ledger_require_actor('ledger_withdrawal_is_by_the_owner', method.user_id, false);
    wallet := public.ledger_lock_wallet(method.user_id);
    entry_id := public.ledger_already_posted(p_key, 'withdrawal', wallet.id, NULL, -p_amount);
    IF entry_id IS NOT NULL THEN
        RETURN (SELECT id FROM public.payments_withdrawal WHERE transaction_id = entry_id);
    END IF;
    -- Once more: who changes the account waits for the wallet from here on, or was before.
    SELECT * INTO method FROM public.payments_paymentmethod WHERE id = p_payment_method;
    IF method.status <> 'active' THEN
        PERFORM public.ledger_refuse('ledger_account_is_verified', 'payments_paymentmethod.status',
            format('the account %s is "%s", no money is sent to it', p_payment_method, method.status),
            'Verify the account, or name another one.');
    END IF;
    entry_id := public.ledger_post(p_key, 'withdrawal', wallet.id, NULL, -p_amount, p_currency, '');
    INSERT INTO public.payments_withdrawal
        (user_id, payment_method_id, transaction_id, kind, amount, currency, status, failure_reason)
        VALUES (method.user_id, method.id, entry_id, method.kind, p_amount, p_currency, 'requested', '')
        RETURNING id INTO withdrawal_id;
    RETURN withdrawal_id;
END $function$;
"""

# What stood there before, for the way back.
HOLD_BEFORE = import_module("apps.payments.migrations.0008_ledger_escrow").HOLD
REQUEST_BEFORE = import_module("apps.payments.migrations.0009_ledger_payouts").REQUEST
WITHDRAWAL = "ledger_request_withdrawal(text, uuid, numeric, text)"


def drop(body: str, signature: str) -> migrations.RunSQL:
    """Take a function away; the way back makes it as it was."""
    made = definer_of_the_ledger(body, signature, executed_by="freelance_user")
    return migrations.RunSQL(f"DROP FUNCTION {signature}", made.sql)


class Migration(migrations.Migration):
    dependencies = [("payments", "0021_whose_columns")]
    operations = [
        # Not kept beside the new one: it would go on paying what nobody saw.
        drop(HOLD_BEFORE, "ledger_hold_escrow(text, uuid)"),
        definer_of_the_ledger(HOLD, "ledger_hold_escrow(text, uuid, numeric)", executed_by="freelance_user"),
        drop(REQUEST_BEFORE, WITHDRAWAL),
        definer_of_the_ledger(REQUEST, WITHDRAWAL, executed_by="freelance_user"),
    ]
