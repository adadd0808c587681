"""Reads go to a replica unless this reader wrote a moment ago; writes go to the leader."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Model

LEADER = "default"
REPLICA = "replica"
DIRECT = "direct"

# Monotonic time until which the current thread or task reads from the leader.
_pinned_until: ContextVar[float] = ContextVar("pinned_until", default=0.0)
# This reader wrote something.
_written: ContextVar[bool] = ContextVar("written", default=False)
# Alias that takes all queries of the current thread, "" for the usual routing.
_only: ContextVar[str] = ContextVar("only", default="")
# The leader's transaction was opened to say who acts (a request's), and nothing was written in it yet.
_identity_alone: ContextVar[bool] = ContextVar("identity_alone", default=False)


@contextmanager
def all_on(alias: str) -> Iterator[None]:
    """Send every query to one alias. A migration's own queries would wait for its locks on any other connection."""
    token = _only.set(alias)
    try:
        yield
    finally:
        _only.reset(token)


def direct_alias() -> str:
    """Return the alias for migrations: the direct endpoint where the environment names one."""
    return DIRECT if DIRECT in settings.DATABASES else LEADER


def pin_to_leader(seconds: float | None = None) -> None:
    """Read from the leader for a while (the setting's, by default): a replica may not have a write of one's own yet."""
    _pinned_until.set(time.monotonic() + (settings.REPLICA_PIN_SECONDS if seconds is None else seconds))


def has_written() -> bool:
    """Say whether something was written since `fresh_reader` began."""
    return _written.get()


@contextmanager
def fresh_reader() -> Iterator[None]:
    """Start without a pin and forget pins at the end: one request does not slow the reads of the next one here."""
    pinned_until, written = _pinned_until.set(0.0), _written.set(False)
    try:
        yield
    finally:
        _pinned_until.reset(pinned_until)
        _written.reset(written)


@contextmanager
def opened_for_identity() -> Iterator[None]:
    """Let the leader's transaction alone not keep reads there, until something is written."""
    token = _identity_alone.set(True)
    try:
        yield
    finally:
        _identity_alone.reset(token)


class ReplicationRouter:
    """Django's database router over the aliases `default`, `replica` and `direct`."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:  # noqa: ARG002 (Django passes both by name)
        if only := _only.get():
            return only
        # A session that was saved a moment ago is asked for by the next request, whoever answers it.
        if REPLICA not in settings.DATABASES or model._meta.app_label == "sessions":
            return LEADER
        if time.monotonic() < _pinned_until.get():
            return LEADER
        # Inside a transaction on the leader everything is read there: it may have written already. A savepoint is of
        # somebody who means to write.
        leader = transaction.get_connection(LEADER)
        if leader.in_atomic_block and (leader.savepoint_ids or not _identity_alone.get()):
            return LEADER
        return REPLICA

    def db_for_write(self, model: type[Model], **hints: Any) -> str:  # noqa: ARG002 (Django passes both by name)
        # Also who has no replica at the moment wrote: it may be back for the next request, and behind.
        if (only := _only.get()) and only != LEADER:
            return only
        pin_to_leader()
        _written.set(True)
        _identity_alone.set(False)
        if transaction.get_connection(LEADER).in_atomic_block:
            # A replica can have the write only after the commit, which may be long after it.
            transaction.on_commit(pin_to_leader, using=LEADER)
        return LEADER

    def allow_relation(self, obj1: Model, obj2: Model, **hints: Any) -> bool:  # noqa: ARG002 (the same)
        # Every alias is the same database, seen through another door.
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:  # noqa: ARG002 (the same)
        return False if db == REPLICA else None
