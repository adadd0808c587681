"""Database functions that Django has no name for."""

from django.db.models import CharField, Func


class JsonbTypeof(Func):
    """The kind of a jsonb value: object, array, string, number, boolean or null."""

    function = "jsonb_typeof"
    arity = 1
    output_field = CharField()
