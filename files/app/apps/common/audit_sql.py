"""SQL of the function that notes what an UPDATE changed in a row of an audited table."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.migrations import RunSQL

# Said by a transaction that rotates keys (apps.common.encryption.rotation).
ROTATES_KEYS = "app.rotates_keys"


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What `audited` of apps.common.sql was told of a table."""

    table: str
    key: str
    person: str
    shown: Sequence[str]
    personal: Sequence[str]
    ignored: Sequence[str]

    @property
    def function(self) -> str:
        """The name of the function that notes an UPDATE."""
        return f"audit_update_of_{self.table}"


def compared_by_name(declared: Declaration, unshown: str = "", sealed: str = "") -> RunSQL:
    """Compare these columns of an audited table by name as well: their values stay unnoted, a change costs less.

    unshown, sealed: words of one text, see `note_of_update`. All of its columns that the declaration does not name: one
    that is missing here is noted as before. A column that is named is dropped after this was declared without it.
    """
    return RunSQL(_made_anew(note_of_update(declared, unshown, sealed)), _made_anew(note_of_update(declared)))


def _made_anew(body: str) -> str:
    """Return SQL that replaces a function of audit_owner and locks no table: triggers and rights stay as they are."""
    return f"""
        DO $anew$
        DECLARE maker text := current_user;
        BEGIN
            -- It needs to be able to create in the schema, but only at this moment.
            GRANT CREATE ON SCHEMA public TO audit_owner;
            SET LOCAL ROLE audit_owner;
            {body.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)}
            EXECUTE format('SET LOCAL ROLE %I', maker);
            REVOKE CREATE ON SCHEMA public FROM audit_owner;
        END $anew$;
        """


def note_of_update(declared: Declaration, unshown: str = "", sealed: str = "") -> str:
    """Return CREATE FUNCTION of the trigger's function.

    Each UPDATE waits for it. The columns that are named are compared one by one, and only where another one differs
    is the row taken apart as JSON, which takes longer than all the rest. unshown: columns whose values are not noted;
    sealed: those of them that a rotation of keys writes anew.
    """
    table, key, person = declared.table, declared.key, declared.person
    steps = "".join(
        [
            *(
                _noted(column, f"jsonb_build_array(OLD.{column}, NEW.{column})")
                for column in dict.fromkeys([key, *declared.shown])
            ),
            *(_noted(column, "NULL", of_person=True) for column in declared.personal),
            *(f"\n    rest.{column} := OLD.{column};" for column in declared.ignored),
            _noted_by_name(unshown.split(), sealed.split()),
        ]
    )
    return f"""
CREATE FUNCTION {declared.function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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


def _noted_by_name(unshown: Sequence[str], sealed: Sequence[str]) -> str:
    columns = [*unshown, *sealed]
    if not columns:
        return ""
    # As above, asked when there is something to hide; the look at the table only when a rotation is claimed.
    rotates = f"""
        rotates_keys := current_setting('{ROTATES_KEYS}', true) IS NOT DISTINCT FROM 'on';
        IF rotates_keys THEN
            rotates_keys := current_setting('app.role_of_statement')
                = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID);
        END IF;"""  # noqa: S608 (from migrations)
    steps = "".join(
        f"""
        IF NEW.{column} IS DISTINCT FROM OLD.{column} THEN
            noted := noted || {f"CASE WHEN rotates_keys THEN '{{}}' ELSE {name} END" if column in sealed else name};
            rest.{column} := OLD.{column};
        END IF;"""
        for column, name in ((column, f"""jsonb '{{"{column}": null}}'""") for column in columns)
    )
    new, old = (", ".join(f"{row}.{column}" for column in columns) for row in ("NEW", "OLD"))
    return f"""
    IF ({new}) IS DISTINCT FROM ({old}) THEN{rotates if sealed else ""}{steps}
    END IF;"""
