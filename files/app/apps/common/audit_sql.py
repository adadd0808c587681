"""SQL of the function that notes what an UPDATE changed in a row of an audited table."""

from collections.abc import Sequence

# Said by a transaction that rotates keys (apps.common.encryption.rotation).
ROTATES_KEYS = "app.rotates_keys"


def note_of_update(  # noqa: PLR0913 (what is noted of a table, by name)
    name: str,
    table: str,
    *,
    key: str,
    person: str,
    shown: Sequence[str],
    personal: Sequence[str],
    ignored: Sequence[str],
) -> str:
    """Return CREATE FUNCTION of a trigger's function; the columns are those of `audited` in apps.common.sql.

    Each UPDATE waits for it. The columns that are named are compared one by one, and only where another one differs
    is the row taken apart as JSON, which takes longer than all the rest.
    """
    steps = "".join(
        [
            *(
                _noted(column, f"jsonb_build_array(OLD.{column}, NEW.{column})")
                for column in dict.fromkeys([key, *shown])
            ),
            *(_noted(column, "NULL", of_person=True) for column in personal),
            *(f"\n    rest.{column} := OLD.{column};" for column in ignored),
        ]
    )
    return f"""
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    noted jsonb := '{{}}';
    noted_of_person jsonb;
    -- The new row without what has been dealt with.
    rest public.{table} := NEW;
    rotates_keys boolean := false;
BEGIN{steps}
    -- As images: not every type can be compared.
    IF rest *<> OLD THEN
        -- A rotation of keys writes ciphertexts and blind indexes anew, and changes no value. Only the owner of the
        -- table may say so: the application would hide what it does.
        rotates_keys := current_setting('{ROTATES_KEYS}', true) IS NOT DISTINCT FROM 'on'
            AND current_setting('app.role_of_statement')
                = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID);
        noted := noted || coalesce(
            (SELECT jsonb_object_agg(before.name, NULL) FROM jsonb_each(to_jsonb(OLD)) AS before (name, value)
                JOIN jsonb_each(to_jsonb(rest)) AS later (name, value) USING (name)
            WHERE before.value <> later.value AND NOT (rotates_keys AND before.name IN (
                SELECT attname FROM pg_attribute WHERE attrelid = TG_RELID AND atttypid = 'bytea'::regtype))),
            '{{}}');
    END IF;
    IF noted <> '{{}}' THEN
        INSERT INTO public.common_auditlog
            (table_name, row_id, operation, person_id, changes, personal_changes, actor_id, login_role, statement_role,
             transaction_id)
        VALUES ('{table}', OLD.{key}::text, 'update', {f"OLD.{person}" if person else "NULL"}, noted, noted_of_person,
            nullif(current_setting('app.current_user_id', true), '')::uuid, session_user,
            current_setting('app.role_of_statement'), pg_current_xact_id());
    END IF;
    RETURN NULL;
END $function$;
"""  # noqa: S608 (from migrations)


def _noted(column: str, values: str, *, of_person: bool = False) -> str:
    personal = f"""
        noted_of_person := coalesce(noted_of_person, '{{}}')
            || jsonb_build_object('{column}', jsonb_build_array(OLD.{column}, NEW.{column}));"""
    return f"""
    IF NEW.{column} IS DISTINCT FROM OLD.{column} THEN
        noted := noted || jsonb_build_object('{column}', {values});{personal if of_person else ""}
        rest.{column} := OLD.{column};
    END IF;"""
