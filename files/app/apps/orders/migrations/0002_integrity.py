from django.db import migrations

from apps.common.sql import append_only, privileges, status_transitions

OWNERSHIP = """
ALTER TABLE orders_order
    ADD CONSTRAINT orders_order_freelancer_owns_gig
        FOREIGN KEY (gig_id, freelancer_id) REFERENCES gigs_gig (id, freelancer_id),
    ADD CONSTRAINT orders_order_package_is_of_gig
        FOREIGN KEY (package_id, gig_id) REFERENCES gigs_gigpackage (id, gig_id);
"""

ON_SALE = """
-- The gig is locked until the order is committed: it can't be paused in between. The rights of the owner are used,
-- because the client may not lock another person's gig.
CREATE FUNCTION orders_order_check_on_sale() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM FROM public.gigs_gig WHERE id = NEW.gig_id AND status = 'active' FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'gig_id',
            CONSTRAINT = 'orders_order_gig_is_active',
            MESSAGE = format('the gig %s is not active and cannot be ordered (orders_order_gig_is_active)', NEW.gig_id);
    END IF;
    PERFORM FROM public.gigs_gigpackage WHERE id = NEW.package_id AND is_active FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'package_id',
            CONSTRAINT = 'orders_order_package_is_active',
            MESSAGE = format(
                'the package %s is not active and cannot be ordered (orders_order_package_is_active)', NEW.package_id);
    END IF;
    RETURN NEW;
END $function$;
CREATE TRIGGER orders_order_on_sale BEFORE INSERT ON orders_order
    FOR EACH ROW EXECUTE FUNCTION orders_order_check_on_sale();
"""

HISTORY = """
-- The application has no right to write history: this trigger does, with the rights of the owner. Who acted and why
-- come from settings of the transaction; a job has no person.
CREATE FUNCTION orders_order_write_history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    INSERT INTO public.orders_orderstatushistory (order_id, from_status, to_status, changed_by_id, reason)
    VALUES (
        NEW.id,
        CASE TG_OP WHEN 'UPDATE' THEN OLD.status ELSE '' END,
        NEW.status,
        nullif(current_setting('app.current_user_id', true), '')::uuid,
        left(coalesce(current_setting('app.status_reason', true), ''), 500)
    );
    RETURN NULL;
END $function$;
CREATE TRIGGER orders_order_history_on_insert AFTER INSERT ON orders_order
    FOR EACH ROW EXECUTE FUNCTION orders_order_write_history();
CREATE TRIGGER orders_order_history_on_update AFTER UPDATE ON orders_order
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION orders_order_write_history();
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial"), ("gigs", "0002_integrity")]
    operations = [
        migrations.RunSQL(
            OWNERSHIP,
            """
            ALTER TABLE orders_order
                DROP CONSTRAINT orders_order_package_is_of_gig, DROP CONSTRAINT orders_order_freelancer_owns_gig;
            """,
        ),
        migrations.RunSQL(
            ON_SALE,
            "DROP TRIGGER orders_order_on_sale ON orders_order; DROP FUNCTION orders_order_check_on_sale();",
        ),
        status_transitions(
            "orders_order",
            {
                "": ("pending_payment",),
                "pending_payment": ("paid", "cancelled"),
                "paid": ("in_progress", "refunded"),
                "in_progress": ("delivered", "disputed", "refunded"),
                "delivered": ("completed", "revision", "disputed"),
                "revision": ("delivered", "disputed", "refunded"),
                "disputed": ("in_progress", "completed", "refunded"),
            },
        ),
        migrations.RunSQL(
            HISTORY,
            """
            DROP TRIGGER orders_order_history_on_update ON orders_order;
            DROP TRIGGER orders_order_history_on_insert ON orders_order;
            DROP FUNCTION orders_order_write_history();
            """,
        ),
        append_only("orders_orderstatushistory"),
        privileges("orders_orderstatushistory", "freelance_user", "SELECT"),
    ]
