"""Public rows and results of queries, in the cache for the guide's times, forgotten when what they show changes.

A result is stored with the stamps of what it was made of. Who changes a row deletes its stamps once the transaction has
committed, so a result that was read before, and stored after, is not believed either. Results belong to a release,
stamps to all of them: an old release that still runs beside a new one makes it forget, too.

Only what everybody may see goes in here: a cache knows nothing of row level security. What plain SQL changes is
forgotten by its time alone, and so is what changed while the cache could not be reached.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

from django.conf import settings
from django.core.cache import cache
from django.db import connections, models, transaction
from django.db.models.signals import class_prepared, post_delete, post_save
from django.dispatch import receiver

from config.router import LEADER, all_on

USER_SECONDS = 3600
GIG_SECONDS = 1800
SEARCH_SECONDS = 300
STATISTICS_SECONDS = 600
# "There is no such row" is asked for by mistakes and by crawlers: kept, but not for long.
NOTHING_SECONDS = 60
# Longer than any result lives: a result without its stamp is worth nothing.
STAMP_SECONDS = 2 * USER_SECONDS
# One reader makes a result anew, the others wait this long for it, then make it themselves.
LOCK_SECONDS = 5
WAIT_SECONDS = 0.2
POLL_SECONDS = 0.02

Result = TypeVar("Result")
Row = TypeVar("Row", bound=models.Model)


class Remembered(models.Model):
    """A row that results in the cache show, or a part of such a row."""

    # Foreign key to the row that this one is a part of.
    PART_OF: ClassVar[str] = ""

    class Meta:
        abstract = True

    def stamps(self) -> set[str]:
        """Return what is forgotten when this row changes."""
        part_of = self._meta.get_field(self.PART_OF) if self.PART_OF else None
        whole = part_of.related_model if isinstance(part_of, models.ForeignKey) else type(self)
        key = getattr(self, part_of.attname) if isinstance(part_of, models.ForeignKey) else self.pk
        return {row_stamp(whole, key), any_stamp(type(self))}


class RememberedQuerySet(models.QuerySet[Row]):
    """Changes of many rows at once send no signal: all results of the table are forgotten."""

    def update(self, **values: Any) -> int:
        changed = super().update(**values)
        forget({bulk_stamp(self.model), any_stamp(self.model)}, self.db)
        return changed

    def bulk_create(self, *args: Any, **options: Any) -> list[Row]:
        made = super().bulk_create(*args, **options)
        forget({bulk_stamp(self.model), any_stamp(self.model)}, self.db)
        return made


def row_stamp(model: Any, key: Any) -> str:
    """Return the stamp of one row: for a result that shows it, beside bulk_stamp."""
    return f"stamp:{model._meta.db_table}:{key}"


def bulk_stamp(model: Any) -> str:
    """Return the stamp that goes when many rows change at once."""
    return f"stamp:{model._meta.db_table}:bulk"


def any_stamp(model: Any) -> str:
    """Return the stamp that goes with every change of the table: for lists and counts."""
    return f"stamp:{model._meta.db_table}:any"


def remembered(name: str, seconds: int, stamps: Iterable[str], compute: Callable[[], Result]) -> Result:
    """Return the result of this name from the cache, or compute it and keep it.

    It is computed on the leader: a replica may lag behind a change that was just forgotten. Inside a transaction that
    changed any of it, and without a cache, it is computed each time.
    """
    stamps = sorted(stamps)
    if _changed_here(stamps):
        return compute()
    key = f"{settings.RELEASE}:{name}"
    found = _look_up(key, stamps)
    if "value" not in found and not _resting():
        locked = cache.add(f"{key}:lock", 1, LOCK_SECONDS)
        deadline = time.monotonic() + WAIT_SECONDS
        while not locked and "value" not in found and not _resting() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            found = _look_up(key, stamps)
    if "value" in found:
        value: Result = found["value"]
        return value
    if _resting():
        return compute()
    # Before it is computed: a change from here on makes the result worthless.
    current = {stamp: found.get(stamp) or cache.get_or_set(stamp, uuid4().hex, STAMP_SECONDS) for stamp in stamps}
    with all_on(LEADER):
        value = compute()
    cache.set(key, (current, value), min(seconds, NOTHING_SECONDS) if value is None else seconds)
    cache.delete(f"{key}:lock")
    return value


def forget(stamps: set[str], using: str) -> None:
    """Forget the results with these stamps when the transaction commits, at once outside of one."""
    pending = connections[using].run_on_commit
    if pending and isinstance(pending[-1][1], _Forget) and pending[-1][0] == set(connections[using].savepoint_ids):
        pending[-1][1].stamps |= stamps
    else:
        transaction.on_commit(_Forget(stamps), using=using, robust=True)


def drop(names: Iterable[str], releases: Iterable[str]) -> bool:
    """Delete results themselves, not only what makes them believed, and return whether the cache answered."""
    names = list(names)
    cache.delete_many([f"{release}:{name}" for release in releases for name in names])
    return not _resting()


class _Forget:
    def __init__(self, stamps: set[str]) -> None:
        self.stamps = set(stamps)

    def __call__(self) -> None:
        cache.delete_many(self.stamps)


def _changed_here(stamps: Iterable[str]) -> bool:
    """Say whether a transaction that is open here changed what has these stamps."""
    return any(
        isinstance(entry[1], _Forget) and not entry[1].stamps.isdisjoint(stamps)
        for connection in connections.all(initialized_only=True)
        for entry in connection.run_on_commit
    )


def _look_up(key: str, stamps: list[str]) -> dict[str, Any]:
    """Return the stamps that there are, and the "value" if it is still good."""
    found = cache.get_many([key, *stamps])
    current = {stamp: found[stamp] for stamp in stamps if stamp in found}
    was, value = found.get(key, (None, None))
    return {**current, "value": value} if was == current else current


def _resting() -> bool:
    return bool(getattr(cache, "resting", False))


@receiver(class_prepared)
def _listen(sender: type[models.Model], **_: Any) -> None:
    # By sender: a receiver for all models would make every mass deletion read its rows first.
    if issubclass(sender, Remembered) and not sender._meta.abstract:
        for signal in (post_save, post_delete):
            signal.connect(_changed, sender=sender)


def _changed(instance: Remembered, using: str, **_: Any) -> None:
    forget(instance.stamps(), using)
