"""SQL of migrations for triggers, privileges and partitions. What a migration passes in is frozen there, the wording is
shared."""

from collections.abc import Mapping, Sequence

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import CreateModel, RunSQL, SeparateDatabaseAndState
from django.db.migrations.state import ProjectState

from apps.common.audit_sql import Declaration, note_of_update
from apps.common.partman import CLOSE_PARTITIONS
from apps.common.row_security import closed

# What every new table gives each role (role postgresql_access).
DEFAULT_PRIVILEGES = {
    "freelance_user": "SELECT, INSERT, UPDATE, DELETE",
    "freelance_staff": "SELECT",
    "reporting_user": "SELECT",
    "freelance_ledger": "",
    "audit_owner": "",
}


def status_transitions(table: str, transitions: Mapping[str, Sequence[str]]) -> RunSQL:
    """Refuse each change of `status` that `transitions` does not list. "" is the state of a new row."""
    name = f"{table}_status_transition"
    pairs = [f"{before}>{after}" for before, nexts in transitions.items() for after in nexts]
    arguments = ", ".join(f"'{argument}'" for argument in [name, *pairs])
    return RunSQL(
        f"""
        CREATE TRIGGER {name}_on_insert BEFORE INSERT ON {table}
            FOR EACH ROW EXECUTE FUNCTION enforce_status_transition({arguments});
        CREATE TRIGGER {name}_on_update BEFORE UPDATE ON {table}
            FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
            EXECUTE FUNCTION enforce_status_transition({arguments});
        """,
        f"""
        DROP TRIGGER {name}_on_update ON {table};
        DROP TRIGGER {name}_on_insert ON {table};
        """,
    )


def refusal(constraint: str, column: str, message: str, *values: str, hint: str = "") -> str:
    """Return the PL/pgSQL statement of a trigger that refuses a row under a constraint's name.

    `message` has a %s for each of `values`, which are SQL expressions.
    """
    arguments = "".join(f", {value}" for value in values)
    advice = f", HINT = '{hint}'" if hint else ""
    return f"""RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = '{column}',
            CONSTRAINT = '{constraint}', MESSAGE = format('{message} ({constraint})'{arguments}){advice};"""


def refuse_if(condition: str, refused: str) -> str:
    """Return the PL/pgSQL statement that refuses a row, as `refusal` wrote it, where the condition holds."""
    return f"""
            IF {condition} THEN
                {refused}
            END IF;"""


def row_trigger(table: str, name: str, event: str, *steps: str, declare: str = "", when: str = "true") -> RunSQL:
    """Run PL/pgSQL statements for each row of `event`, as in "BEFORE INSERT".

    They have the rights of the owner, because they read and lock rows that the caller may not. An event
    "AFTER … DEFERRED" waits for the end of the transaction.
    """
    moment = event.removesuffix(" DEFERRED")
    kind, timing = ("TRIGGER", "") if moment == event else ("CONSTRAINT TRIGGER", " DEFERRABLE INITIALLY DEFERRED")
    body = "\n            ".join(steps)
    return RunSQL(
        f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = pg_catalog, pg_temp AS $function$
        {declare and "DECLARE "}{declare}
        BEGIN
            {body}
            RETURN {"NEW" if event.startswith("BEFORE") else "NULL"};
        END $function$;
        {closed(f"{name}()")}
        CREATE {kind} {name} {moment} ON {table}{timing}
            FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {name}();
        """,
        f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}();",
    )


def staff_only(table: str, field: str) -> RunSQL:
    """Refuse a person in the foreign key `field` who is not staff when they are written there."""
    name = f"{table}_{field}_is_staff"
    # An account that does not exist is the foreign key's to refuse.
    outsider = f"""NEW.{field}_id IS DISTINCT FROM OLD.{field}_id
                AND EXISTS (SELECT FROM public.accounts_user WHERE id = NEW.{field}_id AND NOT is_staff)"""
    refused = refusal(
        name, f"{field}_id", f"{table}: the account %s is not staff", f"NEW.{field}_id",
        hint=f"Name a member of staff in {field}_id.",
    )  # fmt: skip
    event = f"BEFORE INSERT OR UPDATE OF {field}_id"
    return row_trigger(table, name, event, refuse_if(outsider, refused), when=f"NEW.{field}_id IS NOT NULL")


def fast_compression(table: str, column: str) -> RunSQL:
    """Compress new values of a long column by lz4: read in half the time of PostgreSQL's own method."""
    change = f"ALTER TABLE {table} ALTER COLUMN {column} SET COMPRESSION"
    return RunSQL(f"{change} lz4", f"{change} default")


def words_go_stale(table: str, *columns: str) -> RunSQL:
    """Mark a row of a Searchable whose text was changed without its words: `rebuild_search_index` cuts it again."""
    new, old = (", ".join(f"{row}.{column}" for column in columns) for row in ("NEW", "OLD"))
    return row_trigger(
        table, f"{table}_words_go_stale", "BEFORE UPDATE", "NEW.search_version := 0;",
        when=f"NEW.search_vector IS NOT DISTINCT FROM OLD.search_vector AND ({new}) IS DISTINCT FROM ({old})",
    )  # fmt: skip


def append_only(table: str) -> RunSQL:
    """Refuse UPDATE, DELETE and TRUNCATE to everyone, the owner included."""
    return RunSQL(
        f"""
        CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION refuse_change();
        CREATE TRIGGER {table}_append_only_truncate BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
        """,
        f"""
        DROP TRIGGER {table}_append_only_truncate ON {table};
        DROP TRIGGER {table}_append_only ON {table};
        """,
    )


class Audited(RunSQL):
    """The triggers of an audited table, and how it was declared."""

    def __init__(self, sql: str, reverse_sql: str, declared: Declaration) -> None:
        super().__init__(sql, reverse_sql)
        self.declared = declared


def audited(  # noqa: PLR0913 (what is noted of a table, by name)
    table: str,
    *,
    key: str = "id",
    person: str = "",
    shown: Sequence[str],
    personal: Sequence[str] = (),
    ignored: Sequence[str] = ("updated_at",),
) -> Audited:
    """Write each change of a row into common_auditlog (migration common.0003), one entry a row and statement.

    person: column with the account that the row is about. Values are noted of the columns in `shown`, and of those in
    `personal` until the person is forgotten; a change of any other column is noted by its name alone, so that what is
    added later keeps its values to itself. A change of nothing but `ignored` columns leaves no entry.
    """
    arguments = ", ".join(f"'{argument}'" for argument in (key, person, *map(" ".join, (shown, personal, ignored))))
    declared = Declaration(table=table, key=key, person=person, shown=shown, personal=personal, ignored=ignored)
    function = definer_of_the_audit(note_of_update(declared), f"{declared.function}()")
    # One after the other in the order of their names: nothing runs between the note of the role and the entry.
    names = [f"{table}_audit_{number}" for number in range(1, 7)]
    events = (
        f"AFTER INSERT OR TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION note_role_of_statement()",
        f"AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows"
        f" FOR EACH STATEMENT EXECUTE FUNCTION audit_write({arguments})",
        f"AFTER UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION note_role_of_statement()",
        f"AFTER UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {declared.function}()",
        f"AFTER DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION audit_write({arguments})",
        f"AFTER TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION audit_write({arguments})",
    )
    creates = " ".join(f"CREATE TRIGGER {name} {event};" for name, event in zip(names, events, strict=True))
    drops = " ".join(f"DROP TRIGGER {name} ON {table};" for name in names)
    return Audited(f"{function.sql}{creates}", f"{drops} {function.reverse_sql}", declared)


def sealed_values_are_kept(table: str, *columns: str) -> RunSQL:
    """Refuse the way back while encrypted columns hold something: it would drop the only copy. Stands last."""
    name = f"{table}_sealed_values_are_kept"
    return RunSQL(
        RunSQL.noop,
        f"""
        DO $sealed$
        BEGIN
            IF EXISTS (SELECT FROM {table} WHERE coalesce({", ".join(columns)}) IS NOT NULL) THEN
                RAISE EXCEPTION USING ERRCODE = 'object_in_use', SCHEMA = 'public', TABLE = '{table}',
                    CONSTRAINT = '{name}',
                    MESSAGE = '{table} holds encrypted values, which this step back would lose ({name})',
                    HINT = 'Stay at this migration, or remove the values on purpose.';
            END IF;
        END $sealed$;
        """,
    )


def privileges(table: str, role: str, wanted: str, except_columns: Sequence[str] = ()) -> RunSQL:
    """Give `role` these privileges on `table` and no others; where the role is missing, nothing happens.

    `postgresql_access_table_exceptions` of the environment declares the same, so that drift is repaired. The way
    back restores what every table gives the role by default.
    """
    default = DEFAULT_PRIVILEGES[role]
    hidden = ", ".join(f"'{column}'" for column in except_columns) or "NULL"
    columns = f"""
                SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
                WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped
                    AND attname NOT IN ({hidden});
                EXECUTE format('GRANT {wanted} (%s) ON {table} TO {role}', columns);"""  # noqa: S608 (from migrations)
    grant = columns if except_columns else f"GRANT {wanted} ON {table} TO {role};" if wanted else ""

    def block(body: str) -> str:
        return f"""
        DO $privileges$
        DECLARE columns text;
        BEGIN
            IF to_regrole('{role}') IS NOT NULL THEN
                REVOKE ALL ON {table} FROM {role};
                {body}
            END IF;
        END $privileges$;
        """

    return RunSQL(block(grant), block(f"GRANT {default} ON {table} TO {role};" if default else ""))


def definer_of_the_ledger(body: str, signature: str, executed_by: str = "") -> RunSQL:
    """Make a function that runs with the rights of freelance_ledger, for `executed_by` and for nobody else.

    body: CREATE FUNCTION, `SECURITY DEFINER` where others call it; signature: its name with argument types. The owner
    of the schema may hand a function over, because it may SET ROLE to freelance_ledger, and drop it again.
    """
    grant = f"GRANT EXECUTE ON FUNCTION {signature} TO {executed_by};" if executed_by else ""
    return _handed_over(body, signature, "freelance_ledger", grant)


def definer_of_the_audit(body: str, signature: str) -> RunSQL:
    """Make a `SECURITY DEFINER` function with the rights of audit_owner, for who makes it and for nobody else."""
    # A right that the maker had would go over with the function: this one is given by its new owner.
    grant = f"""
        DO $grant$
        DECLARE maker text := current_user;
        BEGIN
            SET LOCAL ROLE audit_owner;
            EXECUTE format('GRANT EXECUTE ON FUNCTION {signature} TO %I', maker);
            EXECUTE format('SET LOCAL ROLE %I', maker);
        END $grant$;
        """
    return _handed_over(body, signature, "audit_owner", after=grant)


def _handed_over(body: str, signature: str, owner: str, before: str = "", after: str = "") -> RunSQL:
    return RunSQL(
        f"""
        {body}
        {closed(signature)}
        {before}
        -- An owner needs to be able to create in the schema, but only at this moment.
        GRANT CREATE ON SCHEMA public TO {owner};
        ALTER FUNCTION {signature} OWNER TO {owner};
        REVOKE CREATE ON SCHEMA public FROM {owner};
        {after}
        """,
        f"DROP FUNCTION {signature}",
    )


def partitioned_by_month(create: CreateModel) -> SeparateDatabaseAndState:
    """Make the table of an EventModel partitioned by month, with a default partition for rows of no other one.

    The months themselves are made by pg_partman: `kept_by_partman` in a migration after it.
    """
    # Apart from the state: what squashes migrations would otherwise melt it into a plain CreateModel.
    return SeparateDatabaseAndState(
        database_operations=[
            _CreatePartitioned(create.name, create.fields, create.options, create.bases, create.managers)
        ],
        state_operations=[create],
    )


class _CreatePartitioned(CreateModel):
    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        plain = schema_editor.sql_create_table
        schema_editor.sql_create_table = f"{plain} PARTITION BY RANGE (created_at)"
        try:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        finally:
            schema_editor.sql_create_table = plain
        table = to_state.apps.get_model(app_label, self.name)._meta.db_table
        made = f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT;"
        schema_editor.execute(made + CLOSE_PARTITIONS.format(table=table), params=None)
