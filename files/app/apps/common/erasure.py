"""Erases a person: what only they need goes, what others or the law need stays without what identifies them."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connections, transaction
from django.db.models import Model, QuerySet

from apps.common.caching import Remembered, any_stamp, bulk_stamp, forget
from apps.common.person import Personal, closings, obstacles, personal
from apps.common.redaction import Redaction
from apps.common.search.models import Searchable
from apps.common.triggers import triggers_off

Texts = dict[str, Any]
# Rows that are read at a time.
CHUNK_ROWS = 500


class StillNeededError(Exception):
    """The person cannot be erased yet; the text says why."""


def erase(alias: str, person_id: UUID) -> dict[str, Any]:
    """Erase a person in one transaction, all or nothing, as the owner of the tables.

    Returns the counts of rows deleted, replaced and redacted by table, and the keys of files that the object storage
    has to lose. Raises StillNeededError.
    """
    report: dict[str, Any] = {"deleted": {}, "replaced": {}, "redacted": {}, "files": []}
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        # Who is being erased does nothing else meanwhile.
        get_user_model()._base_manager.using(alias).select_for_update().get(pk=person_id)
        refuse_obstacles(alias, person_id)
        # Triggers can be turned off only when no deferred one waits.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        redaction = Redaction(_values(alias, person_id, "identifying"))
        report["files"] = sorted(set(_values(alias, person_id, "files")))
        for close in closings():
            close(alias, person_id)
        for declared in personal():
            for done, count in _erase_rows(alias, declared, person_id, redaction):
                report[done][declared.model._meta.db_table] = count
        for declared in personal():
            # What was written here went past the managers.
            if issubclass(declared.model, Remembered):
                forget({bulk_stamp(declared.model), any_stamp(declared.model)}, alias)
        # Last: what was done above left entries, too.
        cursor.execute("SELECT public.audit_forget(%s)", [person_id])
    return report


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
        names = getattr(declared, kind).split()
        for row in declared.rows(alias, person_id) if names else ():
            for name in names:
                value = getattr(row, name)
                yield from value if isinstance(value, list) else [value] if value else []


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
        for row, texts in found:
            declared.model._base_manager.using(alias).filter(pk=row.pk).update(**texts)
            if isinstance(row, Searchable):
                for name, text in texts.items():
                    setattr(row, name, text)
                row.index_words(using=alias)
    return len(found)
