"""Operations of migrations that give `varchar(n)` columns the type `text` and, where nothing else does, a limit."""

from collections.abc import Iterable

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import TextField

from apps.common.texts import at_most

# PostgreSQL changes no type of a column that a trigger names (WHEN, UPDATE OF): such triggers are made anew.
SET_ASIDE = """
DO $triggers$
DECLARE one record; again text := '';
BEGIN
    FOR one IN
        SELECT tgname, pg_get_triggerdef(oid) AS definition FROM pg_trigger
        WHERE tgrelid = '{table}'::regclass AND NOT tgisinternal AND oid IN (
            SELECT objid FROM pg_depend JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
            WHERE classid = 'pg_trigger'::regclass AND refclassid = 'pg_class'::regclass
                AND refobjid = '{table}'::regclass AND attname IN ({names}))
    LOOP
        EXECUTE format('DROP TRIGGER %I ON {table}', one.tgname);
        again := again || one.definition || ';';
    END LOOP;
    PERFORM set_config('migration.triggers_of_{table}', again, true);
END $triggers$;
"""
MADE_AGAIN = """
DO $triggers$
BEGIN
    EXECUTE current_setting('migration.triggers_of_{table}');
END $triggers$;
"""


class TextColumns(Operation):
    """Give `varchar(n)` columns of a model the type `text`: the same bytes, so no row is written again.

    CHECKs that read them look at all rows once more, and indexes whose condition does are built again.
    """

    reversible = True

    def __init__(self, model_name: str, fields: Iterable[str]) -> None:
        self.model_name = model_name
        self.fields = list(fields)

    def describe(self) -> str:
        return f"Give columns of {self.model_name} the type text"

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        key = (app_label, self.model_name)
        for name in self.fields:
            _, _, args, kwargs = state.models[key].fields[name].deconstruct()
            state.alter_field(*key, name, TextField(*args, **kwargs), preserve_default=True)

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,  # noqa: ARG002 (Django's signature)
        to_state: ProjectState,
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        fields = [model._meta.get_field(name) for name in self.fields]
        table, columns = model._meta.db_table, [str(field.column) for field in fields]
        names = ", ".join(f"'{column}'" for column in columns)
        types = [str(field.db_type(schema_editor.connection)) for field in fields]
        changes = ", ".join(f"ALTER COLUMN {column} TYPE {kind}" for column, kind in zip(columns, types, strict=True))
        schema_editor.execute(SET_ASIDE.format(table=table, names=names), params=None)
        schema_editor.execute(f"ALTER TABLE {table} {changes}", params=None)
        schema_editor.execute(MADE_AGAIN.format(table=table), params=None)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self.database_forwards(app_label, schema_editor, from_state, to_state)


def limits(table: str, **characters: int) -> list[Operation]:
    """Refuse longer texts in these columns from now on; `limits_hold` looks at the rows that are there."""
    model = table.partition("_")[2]
    return [AddConstraintNotValid(model, at_most(table, column, most)) for column, most in characters.items()]


def limits_hold(table: str, **characters: int) -> list[Operation]:
    """Say that the limits hold for every row: a migration of its own, which blocks nobody."""
    model = table.partition("_")[2]
    return [ValidateConstraint(model, at_most(table, column, most).name) for column, most in characters.items()]
