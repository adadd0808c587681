"""The ledger's functions on money that leaves the platform."""

from django.db import migrations

from apps.common.sql import definer_of_the_ledger

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

SUBMIT = """
-- Take the oldest withdrawals of a kind into a batch; NULL when there is none. Two jobs at once take different ones.
CREATE FUNCTION ledger_submit_payouts(p_kind text, p_limit integer) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    taken uuid[];
    total numeric;
    made uuid;
BEGIN
    PERFORM public.ledger_require_actor('ledger_payout_is_by_the_platform', NULL, true);
    SELECT array_agg(id), sum(amount) INTO taken, total FROM (
        SELECT id, amount FROM public.payments_withdrawal WHERE kind = p_kind AND status = 'requested'
            ORDER BY created_at, id LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED) AS oldest;
    IF taken IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO public.payments_payoutbatch (kind, status, withdrawal_count, total_amount)
        VALUES (p_kind, 'submitted', cardinality(taken), total) RETURNING id INTO made;
    UPDATE public.payments_withdrawal
        SET status = 'processing', batch_id = made, updated_at = statement_timestamp() WHERE id = ANY (taken);
    RETURN made;
END $function$;
"""

LOCK = """
-- Its batch is locked before it: the last withdrawal of a batch settles the batch.
CREATE FUNCTION ledger_lock_withdrawal(p_withdrawal uuid) RETURNS public.payments_withdrawal
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    withdrawal public.payments_withdrawal;
BEGIN
    PERFORM FROM public.payments_payoutbatch
        WHERE id = (SELECT batch_id FROM public.payments_withdrawal WHERE id = p_withdrawal) FOR NO KEY UPDATE;
    SELECT * INTO withdrawal FROM public.payments_withdrawal WHERE id = p_withdrawal FOR NO KEY UPDATE;
    RETURN withdrawal;
END $function$;
"""

REQUIRE = """
CREATE FUNCTION ledger_require_withdrawal(p_withdrawal public.payments_withdrawal, p_status text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF p_withdrawal.status IS DISTINCT FROM p_status THEN
        PERFORM public.ledger_refuse('ledger_withdrawal_is_' || p_status, 'payments_withdrawal.status',
            format('the withdrawal %s is "%s"', p_withdrawal.id, coalesce(p_withdrawal.status, 'missing')),
            format('This is done to a withdrawal that is "%s".', p_status));
    END IF;
END $function$;
"""

SETTLE_BATCH = """
CREATE FUNCTION ledger_settle_batch(p_batch uuid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    UPDATE public.payments_payoutbatch
        SET status = 'settled', settled_at = statement_timestamp(), updated_at = statement_timestamp()
        WHERE id = p_batch AND status = 'submitted' AND NOT EXISTS (
            SELECT FROM public.payments_withdrawal WHERE batch_id = p_batch AND status = 'processing');
END $function$;
"""

SETTLE = """
-- The provider paid. Its reference makes the message safe to repeat.
CREATE FUNCTION ledger_settle_withdrawal(p_withdrawal uuid, p_reference text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    withdrawal public.payments_withdrawal;
BEGIN
    PERFORM public.ledger_require_actor('ledger_payout_is_by_the_platform', NULL, true);
    withdrawal := public.ledger_lock_withdrawal(p_withdrawal);
    IF withdrawal.provider_reference = p_reference THEN
        RETURN;
    END IF;
    PERFORM public.ledger_require_withdrawal(withdrawal, 'processing');
    UPDATE public.payments_withdrawal
        SET status = 'paid', provider_reference = p_reference, closed_at = statement_timestamp(),
            updated_at = statement_timestamp() WHERE id = p_withdrawal;
    PERFORM public.ledger_settle_batch(withdrawal.batch_id);
END $function$;
"""

RETURN_MONEY = """
CREATE FUNCTION ledger_return_withdrawal(p_key text, p_withdrawal public.payments_withdrawal, p_from text, p_to text, p_reason text)
    RETURNS uuid LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    wallet public.payments_wallet := public.ledger_lock_wallet(p_withdrawal.user_id);
    entry_id uuid := public.ledger_already_posted(p_key, 'reversal', wallet.id, NULL, p_withdrawal.amount);
BEGIN
    IF entry_id IS NOT NULL AND entry_id = p_withdrawal.reversal_id THEN
        RETURN entry_id;
    END IF;
    PERFORM public.ledger_require_withdrawal(p_withdrawal, p_from);
    entry_id := public.ledger_post(
        p_key, 'reversal', wallet.id, NULL, p_withdrawal.amount, p_withdrawal.currency, p_reason);
    UPDATE public.payments_withdrawal
        SET status = p_to, reversal_id = entry_id, failure_reason = p_reason, closed_at = statement_timestamp(),
            updated_at = statement_timestamp() WHERE id = p_withdrawal.id;
    RETURN entry_id;
END $function$;
"""

FAIL = """
-- The provider could not pay: the money comes back.
CREATE FUNCTION ledger_fail_withdrawal(p_key text, p_withdrawal uuid, p_reason text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    withdrawal public.payments_withdrawal;
    entry_id uuid;
BEGIN
    PERFORM public.ledger_require_actor('ledger_payout_is_by_the_platform', NULL, true);
    withdrawal := public.ledger_lock_withdrawal(p_withdrawal);
    entry_id := public.ledger_return_withdrawal(p_key, withdrawal, 'processing', 'failed', p_reason);
    PERFORM public.ledger_settle_batch(withdrawal.batch_id);
    RETURN entry_id;
END $function$;
"""

CANCEL = """
-- The person thinks better of it before the money is on its way.
CREATE FUNCTION ledger_cancel_withdrawal(p_key text, p_withdrawal uuid) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    withdrawal public.payments_withdrawal := public.ledger_lock_withdrawal(p_withdrawal);
BEGIN
    PERFORM public.ledger_require_actor('ledger_withdrawal_is_by_the_owner', withdrawal.user_id, false);
    RETURN public.ledger_return_withdrawal(p_key, withdrawal, 'requested', 'cancelled', '');
END $function$;
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0008_ledger_escrow")]
    operations = [
        definer_of_the_ledger(
            REQUEST, "ledger_request_withdrawal(text, uuid, numeric, text)", executed_by="freelance_user"
        ),
        definer_of_the_ledger(SUBMIT, "ledger_submit_payouts(text, integer)", executed_by="freelance_user"),
        definer_of_the_ledger(LOCK, "ledger_lock_withdrawal(uuid)"),
        definer_of_the_ledger(REQUIRE, "ledger_require_withdrawal(payments_withdrawal, text)"),
        definer_of_the_ledger(SETTLE_BATCH, "ledger_settle_batch(uuid)"),
        definer_of_the_ledger(SETTLE, "ledger_settle_withdrawal(uuid, text)", executed_by="freelance_user"),
        definer_of_the_ledger(RETURN_MONEY, "ledger_return_withdrawal(text, payments_withdrawal, text, text, text)"),
        definer_of_the_ledger(FAIL, "ledger_fail_withdrawal(text, uuid, text)", executed_by="freelance_user"),
        definer_of_the_ledger(CANCEL, "ledger_cancel_withdrawal(text, uuid)", executed_by="freelance_user"),
    ]
