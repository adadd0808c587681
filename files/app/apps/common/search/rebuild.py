"""Cuts the rows whose words are stale."""

from collections.abc import Iterator

from django.apps import apps
from django.db import connections, transaction
from django.db.models import QuerySet

from apps.common.search.models import Searchable
from apps.common.search.words import dictionary_version, tsvector


def searchable_models() -> list[type[Searchable]]:
    """Return the models that are searched by words."""
    return [model for model in apps.get_models() if issubclass(model, Searchable)]


def stale(model: type[Searchable], alias: str) -> QuerySet[Searchable]:
    """Return the rows that were cut by another dictionary, or changed since without being cut."""
    return model._base_manager.using(alias).exclude(search_version=dictionary_version())


def rebuild(model: type[Searchable], alias: str, batch_rows: int) -> Iterator[int]:
    """Cut the stale rows in the order of their keys, yield the size of each batch when it is committed.

    A row that somebody else is writing is left for the next run. What is done stays done: after an interruption the
    next run goes on with the rest.
    """
    table, key = model._meta.db_table, model._meta.pk.column
    update = f'UPDATE "{table}" SET search_vector = %s::tsvector, search_version = %s WHERE "{key}" = %s'  # noqa: S608 (names of a model)
    last = None
    while True:
        with transaction.atomic(using=alias):
            rows = stale(model, alias).order_by("pk").select_related(*model.SEARCH_RELATED)
            if last is not None:
                rows = rows.filter(pk__gt=last)
            batch = list(rows.select_for_update(of=("self",), skip_locked=True, no_key=True)[:batch_rows])
            if not batch:
                return
            with connections[alias].cursor() as cursor:
                values = [(tsvector(row.search_texts()), dictionary_version(), row.pk) for row in batch]
                cursor.executemany(update, values)
        last = batch[-1].pk
        yield len(batch)
