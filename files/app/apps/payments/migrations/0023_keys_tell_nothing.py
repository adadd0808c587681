"""A key that somebody else used is refused without a word of what it was used for."""

from importlib import import_module

from django.db import migrations

from apps.common.sql import definer_of_the_ledger

ALREADY_POSTED = """
-- The entry that the same request wrote before, or NULL. Asked when the locks are held: of two requests at once the
-- second one finds what the first one wrote. An amount that only the first one could know is not compared (NULL).
-- Clients choose their keys, so another's key may be guessed: what it stands for is told to whose wallet it is in.
CREATE FUNCTION ledger_already_posted(p_key text, p_kind text, p_wallet uuid, p_order uuid, p_amount numeric)
    RETURNS uuid LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    entry public.payments_transaction;
    is_own boolean;
BEGIN
    SELECT * INTO entry FROM public.payments_transaction WHERE idempotency_key = p_key;
    IF FOUND AND ((entry.kind, entry.wallet_id, entry.order_id) IS DISTINCT FROM (p_kind, p_wallet, p_order)
        OR entry.amount <> p_amount) THEN
        is_own := EXISTS (SELECT FROM public.payments_wallet WHERE id = entry.wallet_id
            AND user_id = nullif(current_setting('app.current_user_id', true), '')::uuid);
        PERFORM public.ledger_refuse(
            'ledger_key_is_of_one_request', 'payments_transaction.idempotency_key',
            format('the key %s was used for another request', p_key)
                || CASE WHEN is_own THEN format(': a %s of %s', entry.kind, entry.amount) ELSE '' END,
            'Send each request with a key of its own, and a repeated one unchanged.');
    END IF;
    RETURN entry.id;
END $function$;
"""
# What stood there before, for the way back.
BEFORE = import_module("apps.payments.migrations.0007_ledger").ALREADY_POSTED
SIGNATURE = "ledger_already_posted(text, text, uuid, uuid, numeric)"


class Migration(migrations.Migration):
    dependencies = [("payments", "0022_amount_as_shown")]
    operations = [
        migrations.RunSQL(f"DROP FUNCTION {SIGNATURE}", definer_of_the_ledger(BEFORE, SIGNATURE).sql),
        definer_of_the_ledger(ALREADY_POSTED, SIGNATURE),
    ]
