from django.db import migrations

UUIDV7 = """
-- The order of keys is kept within one session: ticks of 1/4096 ms, at least one more than the last one. The last
-- tick lives in a setting of the session, so behind a transaction pooler the generator is the server connection.
CREATE FUNCTION uuidv7() RETURNS uuid LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    tick bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 512 / 125;
    last_tick bigint := nullif(current_setting('uuidv7.last_tick', true), '')::bigint;
BEGIN
    IF tick <= last_tick THEN
        tick := last_tick + 1;
    END IF;
    PERFORM set_config('uuidv7.last_tick', tick::text, false);
    -- 48 bits of milliseconds, version 7, 12 bits of their fraction, then variant and 62 random bits of a version 4.
    RETURN encode(
        int8send(((tick >> 12) << 16) | 28672 | (tick & 4095)) || substring(uuid_send(gen_random_uuid()) FROM 9), 'hex'
    )::uuid;
END $function$;
COMMENT ON FUNCTION uuidv7() IS 'Time-ordered key (RFC 9562, version 7), strictly increasing within a session';
"""

ENFORCE_STATUS_TRANSITION = """
-- Arguments: the rule's name, then each legal step as 'before>after' ('>after' for a new row).
CREATE FUNCTION enforce_status_transition() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    before text := '';
    legal text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := OLD.status;
    END IF;
    IF NEW.status IS NULL OR before || '>' || NEW.status = ANY (TG_ARGV) THEN
        RETURN NEW;
    END IF;
    SELECT string_agg(split_part(step, '>', 2), ', ') INTO legal
        FROM unnest(TG_ARGV) AS step WHERE step LIKE '%>%' AND split_part(step, '>', 1) = before;
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'status',
        CONSTRAINT = TG_ARGV[0],
        MESSAGE = format('%s: a %s cannot become "%s" (%s)', TG_TABLE_NAME,
            CASE before WHEN '' THEN 'new row' ELSE format('row that is "%s"', before) END, NEW.status, TG_ARGV[0]),
        HINT = 'Allowed next: ' || coalesce(legal, 'nothing, this state is final') || '.';
END $function$;
"""

REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
        CONSTRAINT = TG_TABLE_NAME || '_append_only',
        MESSAGE = format('%s is append-only: %s is refused (%s_append_only)', TG_TABLE_NAME, TG_OP, TG_TABLE_NAME),
        HINT = 'Write a new row that corrects the old one.';
END $function$;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.RunSQL(UUIDV7, "DROP FUNCTION uuidv7()"),
        migrations.RunSQL(ENFORCE_STATUS_TRANSITION, "DROP FUNCTION enforce_status_transition()"),
        migrations.RunSQL(REFUSE_CHANGE, "DROP FUNCTION refuse_change()"),
    ]
