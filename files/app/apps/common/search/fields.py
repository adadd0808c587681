"""The stored words of a row, and the condition that finds rows by them."""

from typing import TYPE_CHECKING, Any

from django.contrib.postgres.search import SearchQueryField, SearchVectorField
from django.db.models import BooleanField, F, Func, Value
from django.db.models.functions import Cast

from apps.common.search.words import dictionary_version, tsquery, tsvector

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler


class WordVectorField(SearchVectorField):  # type: ignore[type-arg]  # generic for the checker alone
    """A tsvector that is written with each save of a Searchable and never loaded: it is bigger than its text."""

    def pre_save(self, model_instance: Any, add: bool) -> str | None:  # noqa: ARG002 (Django's signature)
        """Cut the texts and note by which dictionary. The version's own field comes after this one."""
        texts = getattr(model_instance, "search_texts", None)
        # A migration's model has no methods: what it writes is stale.
        model_instance.search_version = dictionary_version() if texts else 0
        return tsvector(texts()) if texts else None

    def get_placeholder(self, value: Any, compiler: "SQLCompiler", connection: "BaseDatabaseWrapper") -> str:  # noqa: ARG002 (the same)
        return "%s::tsvector"

    def select_format(self, compiler: "SQLCompiler", sql: str, params: Any) -> tuple[str, Any]:  # noqa: ARG002 (the same)
        return "NULL::tsvector", ()


def words_query(text: str) -> Cast:
    """Return the query for the words of a text, as `SearchRank` takes it."""
    return Cast(Value(tsquery(text)), output_field=SearchQueryField())


class HasWords(Func):
    """`filter(HasWords(text))`: the row has all words of the text."""

    template = "%(expressions)s"
    arg_joiner = " @@ "
    arity = 2
    output_field = BooleanField()

    def __init__(self, text: str) -> None:
        super().__init__(F("search_vector"), words_query(text))
