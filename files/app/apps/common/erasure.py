"""Erases a person: what only they need goes, what others or the law need stays without what identifies them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models import Model, QuerySet

from apps.common.caching import Remembered, any_stamp, bulk_stamp, drop, forget
from apps.common.models import Erasure, Release
from apps.common.person import Personal, closings, obstacles, personal
from apps.common.redaction import Redaction
from apps.common.retry import CONFLICTS_AND_LOCKS, retried
from apps.common.search.models import Searchable
from apps.common.sessions import delete_copies, delete_rows
from apps.common.triggers import triggers_off

Texts = dict[str, Any]
# Rows that are read at a time.
CHUNK_ROWS = 500
# Newest deployments whose results may still be in the cache.
RELEASES = 20
# Columns that the owner of an append-only table may change in this transaction (migration common.0009).
ERASES = "app.erases"


class StillNeededError(Exception):
    """The person cannot be erased yet; the text says why."""


def erase(alias: str, person_id: UUID) -> dict[str, Any]:
    """Erase a person in one transaction, all or nothing, as the owner of the tables. It may be done again.

    Returns the counts of rows deleted, replaced and redacted by table, the keys of files that the object storage has to
    lose (kept in Erasure, too), and whether the cache could be told. Raises StillNeededError.
    """
    # Whoever pays at this moment may hold a lock.
    done = retried(partial(_erase, alias, person_id), using=alias, conflicts=CONFLICTS_AND_LOCKS)
    # Before the commit a reader would put them back.
    delete_copies(done.sessions)
    told = drop(done.entries, done.releases)
    return {**done.rows, "cache_told": told, "files": files_to_delete(alias, person_id)}


@dataclass(frozen=True, kw_only=True)
class _Done:
    """What an erasure did, and what is left to do when it is committed."""

    # Counts by table of rows deleted, replaced and redacted.
    rows: dict[str, dict[str, int]]
    sessions: list[str]
    # Names of results in the cache, and the releases that may have made them.
    entries: list[str]
    releases: set[str]


def _erase(alias: str, person_id: UUID) -> _Done:
    rows: dict[str, dict[str, int]] = {"deleted": {}, "replaced": {}, "redacted": {}}
    with connections[alias].cursor() as cursor:
        # Who is being erased does nothing else meanwhile.
        get_user_model()._base_manager.using(alias).select_for_update().get(pk=person_id)
        refuse_obstacles(alias, person_id)
        # Triggers can be turned off only when no deferred one waits.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        redaction = Redaction(_identifying(alias, person_id))
        files = sorted(set(_values(alias, person_id, "files")))
        entries = list(_remembered(alias, person_id))
        for close in closings():
            close(alias, person_id)
        for declared in personal():
            for done, count in _erase_rows(alias, declared, person_id, redaction):
                rows[done][declared.model._meta.db_table] = count
        sessions = delete_rows(alias, person_id)
        rows["deleted"]["django_session"] = len(sessions)
        for declared in personal():
            # What was written here went past the managers.
            if issubclass(declared.model, Remembered):
                forget({bulk_stamp(declared.model), any_stamp(declared.model)}, alias)
        Erasure.objects.using(alias).create(person_id=person_id, files=files)
        newest = Release.objects.using(alias).order_by("-created_at", "-id").values_list("release", flat=True)
        releases = {settings.RELEASE, *newest[:RELEASES]}
        # Last: what was done above left entries, too.
        cursor.execute("SELECT public.audit_forget(%s)", [person_id])
    return _Done(rows=rows, sessions=sessions, entries=entries, releases=releases)


def files_to_delete(alias: str, person_id: UUID) -> list[str]:
    """Return the keys of files that nobody has said are deleted."""
    kept = Erasure.objects.using(alias).filter(person_id=person_id).values_list("files", flat=True)
    return sorted({key for files in kept for key in files})


def refuse_obstacles(alias: str, person_id: UUID) -> None:
    """Raise StillNeededError where something has to be settled first."""
    said = []
    for obstacle in obstacles():
        rows = Personal(model=obstacle.model, people=obstacle.people).rows(alias, person_id)
        if count := rows.filter(obstacle.condition).count():
            said.append(f"{count} x {obstacle.model._meta.object_name}: {obstacle.said}")
    if said:
        raise StillNeededError(f"{person_id} cannot be erased: {'; '.join(said)}.")


def _values(alias: str, person_id: UUID, kind: str) -> Iterator[str]:
    """Yield the person's values of the columns that declarations name under `kind`."""
    for declared in personal():
        yield from declared.values(alias, person_id, getattr(declared, kind))


def _identifying(alias: str, person_id: UUID) -> Iterator[str]:
    yield from _values(alias, person_id, "identifying")
    for value in _values(alias, person_id, "identifying_unless_a_word"):
        if not value.isalpha():
            yield value


def _remembered(alias: str, person_id: UUID) -> Iterator[str]:
    """Yield the names of results in the cache that show the person's rows."""
    for declared in personal():
        if declared.remembered:
            yield from (declared.remembered.format(row.pk) for row in declared.rows(alias, person_id))


def _erase_rows(alias: str, declared: Personal, person_id: UUID, redaction: Redaction) -> Iterator[tuple[str, int]]:
    """Erase what a declaration says, and yield what was done to how many rows."""
    spoken_of = declared.rows(alias, person_id, mentioned=True)
    if declared.deleted:
        _, counts = spoken_of.order_by().delete()
        yield "deleted", counts.get(declared.model._meta.label, 0)
        return
    if declared.redacted:
        yield "redacted", _redact(alias, declared, spoken_of, redaction)
    if declared.replaced:
        yield "replaced", declared.rows(alias, person_id).order_by().update(**declared.replaced)


def _redact(alias: str, declared: Personal, rows: QuerySet[Any], redaction: Redaction) -> int:
    """Black out the person's values. They are looked for here: a query would carry them into the server's log."""
    names = declared.redacted.split()
    found: list[tuple[Model, Texts]] = []
    for row in rows.iterator(chunk_size=CHUNK_ROWS):
        texts = {name: redacted for name in names if (redacted := redaction(getattr(row, name))) != getattr(row, name)}
        if texts:
            found.append((row, texts))
    if not found:
        return 0
    table = declared.model._meta.db_table
    held_by = [(table, trigger) for trigger in declared.held_by.split()]
    with connections[alias].cursor() as cursor, triggers_off(cursor, held_by):
        if declared.append_only:
            # Not by a trigger that is off: everybody who pays would wait until the erasure is over.
            cursor.execute("SELECT set_config(%s, %s, true)", [ERASES, declared.redacted])
        for row, texts in found:
            declared.model._base_manager.using(alias).filter(pk=row.pk).update(**texts)
            if isinstance(row, Searchable):
                for name, text in texts.items():
                    setattr(row, name, text)
                row.index_words(using=alias)
        if declared.append_only:
            cursor.execute("SELECT set_config(%s, '', true)", [ERASES])
    return len(found)
