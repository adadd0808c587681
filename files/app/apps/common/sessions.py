"""The sessions of a person: their rows, and the copies in the cache."""

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import SESSION_KEY

CHUNK_ROWS = 500


def _store() -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore


def sessions_of(alias: str, person_id: UUID) -> Iterator[Any]:
    """Yield the sessions that are logged in as a person. Whose one is stands inside it: all of them are read."""
    for session in _store().get_model_class()._base_manager.using(alias).iterator(chunk_size=CHUNK_ROWS):
        if session.get_decoded().get(SESSION_KEY) == str(person_id):
            yield session


def delete_rows(alias: str, person_id: UUID) -> list[str]:
    """Delete the rows of a person's sessions, and return their keys for `delete_copies`."""
    keys = [session.pk for session in sessions_of(alias, person_id)]
    _store().get_model_class()._base_manager.using(alias).filter(pk__in=keys).delete()
    return keys


def delete_copies(keys: Iterable[str]) -> None:
    """Delete what is kept of sessions besides their rows, once these are gone for everybody."""
    for key in keys:
        _store()(key).delete(key)
