"""Models whose rows are found by words."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Self, TypeVar

from django.contrib.postgres.search import SearchRank
from django.db import models
from django.db.models import ExpressionWrapper, F

from apps.common.search.fields import HasWords, WordVectorField, words_query
from apps.common.search.words import dictionary_version, tsvector

# A word that half of all rows have says little: so many of its newest rows are ranked, which keeps a search fast.
RANKED_MAX = 1000

Row = TypeVar("Row", bound=models.Model)


class SearchQuerySet(models.QuerySet[Row]):
    def matching(self, text: str) -> Self:
        """Return the rows that have all words of a text."""
        return self.filter(HasWords(text))

    def search(self, text: str) -> Self:
        """Return rows that have all words of a text, the best first: `search_rank` says how good.

        Where more than RANKED_MAX rows match, these are the newest ones.
        """
        # An order that no index has: with one that has it the server reads every row's words from the newest row on,
        # because it takes the comparison for cheap.
        by_time = ExpressionWrapper(F("created_at") + timedelta(0), models.DateTimeField())
        newest = self.matching(text).order_by(by_time.desc()).values("pk")[:RANKED_MAX]
        # Cover density: words that stand together count for more.
        rank = SearchRank(F("search_vector"), words_query(text), cover_density=True)
        return self.filter(pk__in=newest).annotate(search_rank=rank).order_by("-search_rank", "-pk")


class Searchable(models.Model):
    """A row with texts that people search.

    What keeps the words current:
    - `save`, `create`, `bulk_create`: written along, also with `update_fields` that name a text;
    - `QuerySet.update`, `bulk_update`, plain SQL, COPY: the database cannot cut Chinese, so a trigger of the table's
      migration sets `search_version` to 0; `manage.py rebuild_search_index` finds such rows and cuts them. Until then
      the row is found by its old words;
    - another dictionary: `search_version` differs from `dictionary_version()`, with the same remedy.
    """

    # Column and weight, "A" being the heaviest.
    SEARCHED: ClassVar[Mapping[str, str]] = {}
    # Relations that `search_texts` reads.
    SEARCH_RELATED: ClassVar[tuple[str, ...]] = ()

    search_vector = WordVectorField("搜索词", null=True, editable=False)
    search_version = models.IntegerField("词典版本", db_default=0, editable=False)

    class Meta:
        abstract = True

    def search_texts(self) -> Iterator[tuple[str, str]]:
        """Yield the texts with their weights."""
        for column, weight in self.SEARCHED.items():
            yield getattr(self, column), weight

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        if update_fields is not None:
            update_fields = set(update_fields)
            if update_fields & self.SEARCHED.keys():
                update_fields |= {"search_vector", "search_version"}
        super().save(*args, update_fields=update_fields, **kwargs)

    def index_words(self, using: str | None = None) -> None:
        """Write the words alone, where a text of another row changed."""
        type(self)._base_manager.using(using or self._state.db).filter(pk=self.pk).update(
            search_vector=tsvector(self.search_texts()), search_version=dictionary_version()
        )
