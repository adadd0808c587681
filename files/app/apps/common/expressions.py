"""Functions and types of the database that Django has no name for."""

from typing import TYPE_CHECKING, Any

from django.db.models import CharField, Field, Func

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


class JsonbTypeof(Func):
    """The kind of a jsonb value: object, array, string, number, boolean or null."""

    function = "jsonb_typeof"
    arity = 1
    output_field = CharField()


class TransactionIdField(Field):  # type: ignore[type-arg]  # generic for the checker alone
    """The number of a transaction, `xid8`: never used twice, as pg_current_xact_id() gives it."""

    def db_type(self, connection: "BaseDatabaseWrapper") -> str:  # noqa: ARG002 (Django's signature)
        return "xid8"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> int | None:  # noqa: ARG002 (the same)
        return None if value is None else int(value)

    def get_prep_value(self, value: Any) -> Any:
        # As text: PostgreSQL compares this type with no other number.
        return None if value is None else str(value)
