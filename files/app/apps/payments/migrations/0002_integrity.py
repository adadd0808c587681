from django.db import migrations

from apps.common.sql import append_only, privileges, status_transitions

POST = """
-- After the row is really there: a row that ON CONFLICT skips moves no money. The wallet's row lock puts entries of
-- one wallet in a line, its CHECK refuses to go below zero.
CREATE FUNCTION payments_transaction_post() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    UPDATE public.payments_wallet SET balance = balance + NEW.amount, updated_at = statement_timestamp()
        WHERE id = NEW.wallet_id AND status = 'active';
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'wallet_id',
            CONSTRAINT = 'payments_transaction_wallet_is_active',
            MESSAGE = format('the wallet %s is missing or not active, no money moves (payments_transaction_wallet_is_active)', NEW.wallet_id);
    END IF;
    RETURN NULL;
END $function$;
CREATE TRIGGER payments_transaction_post AFTER INSERT ON payments_transaction
    FOR EACH ROW EXECUTE FUNCTION payments_transaction_post();
"""

OPEN_EMPTY = """
CREATE FUNCTION payments_wallet_refuse_opening_balance() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'balance',
        CONSTRAINT = 'payments_wallet_opens_empty',
        MESSAGE = format('a new wallet opens with 0, not with %s (payments_wallet_opens_empty)', NEW.balance),
        HINT = 'Write a transaction of kind deposit.';
END $function$;
CREATE TRIGGER payments_wallet_opens_empty BEFORE INSERT ON payments_wallet
    FOR EACH ROW WHEN (NEW.balance <> 0) EXECUTE FUNCTION payments_wallet_refuse_opening_balance();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial"), ("orders", "0002_integrity")]
    operations = [
        status_transitions(
            "payments_wallet",
            {"": ("active",), "active": ("frozen", "closed"), "frozen": ("active", "closed")},
        ),
        migrations.RunSQL(
            OPEN_EMPTY,
            """
            DROP TRIGGER payments_wallet_opens_empty ON payments_wallet;
            DROP FUNCTION payments_wallet_refuse_opening_balance();
            """,
        ),
        migrations.RunSQL(
            POST,
            """
            DROP TRIGGER payments_transaction_post ON payments_transaction;
            DROP FUNCTION payments_transaction_post();
            """,
        ),
        append_only("payments_transaction"),
        # The application writes entries; a balance moves only by the trigger above.
        privileges("payments_transaction", "freelance_user", "SELECT, INSERT"),
        privileges("payments_wallet", "freelance_user", "SELECT, INSERT"),
    ]
