"""What the functions of the ledger share: its rights, its refusals, and the one way to write an entry.

The role freelance_ledger owns them and is the only writer of wallets and entries. Locks are always taken in this
order: order, escrow, refund, batch, withdrawal, wallet.
"""

from django.db import migrations

from apps.common.sql import definer_of_the_ledger, privileges

REFUSE = """
-- p_subject is table.column.
CREATE FUNCTION ledger_refuse(p_constraint text, p_subject text, p_message text, p_hint text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation', SCHEMA = 'public', TABLE = split_part(p_subject, '.', 1),
        COLUMN = split_part(p_subject, '.', 2), CONSTRAINT = p_constraint,
        MESSAGE = format('%s (%s)', p_message, p_constraint), HINT = p_hint;
END $function$;
"""

ACTOR = """
-- Who acts is the person of the transaction (app.current_user_id). Some things the platform may do as well: somebody of
-- its staff, or a transaction that says so (app.acts_for_platform: a job, or the message of a payment provider).
CREATE FUNCTION ledger_require_actor(p_constraint text, p_person uuid, p_or_platform boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    actor uuid := nullif(current_setting('app.current_user_id', true), '')::uuid;
BEGIN
    IF actor = p_person THEN
        RETURN;
    END IF;
    IF p_or_platform AND (
        actor IS NULL AND current_setting('app.acts_for_platform', true) = 'on'
        OR EXISTS (SELECT FROM public.accounts_user WHERE id = actor AND is_staff AND status = 'active')) THEN
        RETURN;
    END IF;
    PERFORM public.ledger_refuse(
        p_constraint, 'accounts_user.id',
        format('%s may not do this with another person''s money', coalesce('the person ' || actor, 'nobody')),
        'Act as the person whose right it is' || CASE WHEN p_or_platform THEN ', or as the platform.' ELSE '.' END);
END $function$;
"""

WALLET = """
-- A wallet comes into being when it is first needed. It stays locked until the end of the transaction.
CREATE FUNCTION ledger_lock_wallet(p_user uuid) RETURNS public.payments_wallet
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    wallet public.payments_wallet;
BEGIN
    SELECT * INTO wallet FROM public.payments_wallet WHERE user_id = p_user FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO public.payments_wallet (user_id, balance, currency, status) VALUES (p_user, 0, 'CNY', 'active')
            ON CONFLICT (user_id) DO NOTHING;
        SELECT * INTO wallet FROM public.payments_wallet WHERE user_id = p_user FOR NO KEY UPDATE;
    END IF;
    RETURN wallet;
END $function$;
"""

ALREADY_POSTED = """
-- The entry that the same request wrote before, or NULL. Asked when the locks are held: of two requests at once the
-- second one finds what the first one wrote. An amount that only the first one could know is not compared (NULL).
CREATE FUNCTION ledger_already_posted(p_key text, p_kind text, p_wallet uuid, p_order uuid, p_amount numeric)
    RETURNS uuid LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    entry public.payments_transaction;
BEGIN
    SELECT * INTO entry FROM public.payments_transaction WHERE idempotency_key = p_key;
    IF FOUND AND ((entry.kind, entry.wallet_id, entry.order_id) IS DISTINCT FROM (p_kind, p_wallet, p_order)
        OR entry.amount <> p_amount) THEN
        PERFORM public.ledger_refuse(
            'ledger_key_is_of_one_request', 'payments_transaction.idempotency_key',
            format('the key %s was used for another request: a %s of %s', p_key, entry.kind, entry.amount),
            'Send each request with a key of its own, and a repeated one unchanged.');
    END IF;
    RETURN entry.id;
END $function$;
"""

POST = """
CREATE FUNCTION ledger_post(p_key text, p_kind text, p_wallet uuid, p_order uuid, p_amount numeric, p_currency text, p_note text)
    RETURNS uuid LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    entry_id uuid;
BEGIN
    -- The column would round a part of a cent, and take what is not a number.
    IF p_amount = 'NaN' OR p_amount <> round(p_amount, 2) THEN
        PERFORM public.ledger_refuse(
            'ledger_amount_is_whole_cents', 'payments_transaction.amount',
            format('%s is no amount in whole cents', p_amount), 'Give at most two decimals.');
    END IF;
    INSERT INTO public.payments_transaction (wallet_id, order_id, kind, amount, currency, idempotency_key, note)
        VALUES (p_wallet, p_order, p_kind, p_amount, p_currency, p_key, p_note) RETURNING id INTO entry_id;
    RETURN entry_id;
END $function$;
"""

OPEN_WALLET = """
CREATE FUNCTION ledger_open_wallet(p_user uuid) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM public.ledger_require_actor('ledger_wallet_is_opened_by_its_owner', p_user, true);
    RETURN (public.ledger_lock_wallet(p_user)).id;
END $function$;
"""

DEPOSIT = """
CREATE FUNCTION ledger_deposit(p_key text, p_user uuid, p_amount numeric, p_currency text, p_note text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    wallet public.payments_wallet;
BEGIN
    -- No person: money comes in when the payment provider says so.
    PERFORM public.ledger_require_actor('ledger_deposit_is_by_the_platform', NULL, true);
    wallet := public.ledger_lock_wallet(p_user);
    RETURN coalesce(
        public.ledger_already_posted(p_key, 'deposit', wallet.id, NULL, p_amount),
        public.ledger_post(p_key, 'deposit', wallet.id, NULL, p_amount, p_currency, p_note));
END $function$;
"""

WALLET_STATUS = """
CREATE FUNCTION ledger_set_wallet_status(p_user uuid, p_status text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    wallet public.payments_wallet;
BEGIN
    PERFORM public.ledger_require_actor('ledger_wallet_is_frozen_by_the_platform', NULL, true);
    wallet := public.ledger_lock_wallet(p_user);
    UPDATE public.payments_wallet SET status = p_status, updated_at = statement_timestamp() WHERE id = wallet.id;
END $function$;
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0006_integrity"), ("common", "0001_functions")]
    operations = [
        # What the ledger may do; the application may look.
        privileges("payments_wallet", "freelance_ledger", "SELECT, INSERT, UPDATE"),
        privileges("payments_transaction", "freelance_ledger", "SELECT, INSERT"),
        privileges("payments_escrow", "freelance_ledger", "SELECT, INSERT, UPDATE"),
        privileges("payments_paymentrefund", "freelance_ledger", "SELECT, UPDATE"),
        privileges("payments_paymentmethod", "freelance_ledger", "SELECT"),
        privileges("payments_payoutbatch", "freelance_ledger", "SELECT, INSERT, UPDATE"),
        privileges("payments_withdrawal", "freelance_ledger", "SELECT, INSERT, UPDATE"),
        privileges("orders_order", "freelance_ledger", "SELECT, UPDATE"),
        privileges("orders_orderdispute", "freelance_ledger", "SELECT"),
        privileges("accounts_user", "freelance_ledger", "SELECT", except_columns=["password"]),
        migrations.RunSQL(
            "GRANT EXECUTE ON FUNCTION uuidv7() TO freelance_ledger",
            "REVOKE EXECUTE ON FUNCTION uuidv7() FROM freelance_ledger",
        ),
        migrations.RunSQL(
            """
            REVOKE INSERT ON payments_wallet, payments_transaction FROM freelance_user;
            -- The balance moves with the rights of who writes the entry.
            ALTER FUNCTION payments_transaction_post() SECURITY INVOKER;
            """,
            """
            ALTER FUNCTION payments_transaction_post() SECURITY DEFINER;
            GRANT INSERT ON payments_wallet, payments_transaction TO freelance_user;
            """,
        ),
        definer_of_the_ledger(REFUSE, "ledger_refuse(text, text, text, text)"),
        definer_of_the_ledger(ACTOR, "ledger_require_actor(text, uuid, boolean)"),
        definer_of_the_ledger(WALLET, "ledger_lock_wallet(uuid)"),
        definer_of_the_ledger(ALREADY_POSTED, "ledger_already_posted(text, text, uuid, uuid, numeric)"),
        definer_of_the_ledger(POST, "ledger_post(text, text, uuid, uuid, numeric, text, text)"),
        definer_of_the_ledger(OPEN_WALLET, "ledger_open_wallet(uuid)", executed_by="freelance_user"),
        definer_of_the_ledger(WALLET_STATUS, "ledger_set_wallet_status(uuid, text)", executed_by="freelance_user"),
        definer_of_the_ledger(DEPOSIT, "ledger_deposit(text, uuid, numeric, text, text)", executed_by="freelance_user"),
    ]
