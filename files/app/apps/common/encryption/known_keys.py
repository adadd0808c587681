"""Compares the key file with the keys that the database was written with.

A blind index of a wrong key looks like any other one: nobody would be found, and a number could be taken twice. So a
check value of each key is kept beside the rows (EncryptionKey), from the moment that the key may write. The owner alone
enlists a key, when it is the current one: a key that was only added is nobody else's business yet.
"""

import hmac
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now

from apps.common.encryption.errors import KeyUnavailableError, WrongKeyError
from apps.common.encryption.keys import KeyRing, KeyRings, rings
from apps.common.encryption.models import EncryptionKey
from config.router import LEADER, REPLICA

CONSTANT = b"check value of a key for encrypted columns"
# By ring and number: check value, and whether the key is retired. None: the schema is of a release before keys.
Known = dict[tuple[str, int], tuple[bytes, bool]] | None

# What was compared already, by ring and whether to write: database and key file. By the connection to the server, which
# ends with its CONN_MAX_AGE: the next one sees what others enlisted and retired.
_compared: WeakKeyDictionary[Any, dict[tuple[str, bool], tuple[Any, KeyRings]]] = WeakKeyDictionary()


def encryption_ring(*, to_write: bool = False) -> KeyRing:
    """Return the keys of values as they are now, when they are those of the database.

    A key that the file lacks is missed by its values alone. Raises KeyUnavailableError, WrongKeyError.
    """
    return _ring("encryption", to_write=to_write)


def blind_index_ring(*, to_write: bool = False) -> KeyRing:
    """Return the keys of blind indexes as they are now, when they are all that the database knows.

    Without one of them, whose index it made would not be found. Raises KeyUnavailableError, WrongKeyError.
    """
    return _ring("blind_index", to_write=to_write)


def _ring(name: str, *, to_write: bool) -> KeyRing:
    found, connection = rings(), _connection()
    ring: KeyRing = getattr(found, name)
    connection.ensure_connection()
    done, state = _compared.setdefault(connection.connection, {}), (connection.settings_dict["NAME"], found)
    if done.get((name, to_write)) != state:
        known = _known(connection)
        _refuse_wrong(known, found)
        _refuse_lacking(known, ring)
        if to_write:
            _refuse_to_write(known, ring)
        # At once, not when a transaction commits: a COPY inside of it has the connection for itself.
        done[name, to_write] = state
    return ring


def _connection() -> BaseDatabaseWrapper:
    alias = router.db_for_read(EncryptionKey)
    # A replica may not know the newest key.
    return connections[LEADER if alias == REPLICA else alias]


def compare(connection: BaseDatabaseWrapper, found: KeyRings) -> None:
    """Raise where a key of the file is another one than the database knows, or writes no more.

    Also where one of blind indexes is missing; whether one of values is needed says `require_keys`.
    """
    known = _known(connection)
    _refuse_wrong(known, found)
    for ring in found:
        _refuse_lacking(known, ring)
        _refuse_retired(known, ring)


def _refuse_wrong(known: Known, found: KeyRings) -> None:
    for ring in found:
        for number, key in ring.keys.items():
            value, _ = (known or {}).get((ring.name, number), (None, False))
            if value is not None and not hmac.compare_digest(value, _check_value(key)):
                raise WrongKeyError(
                    f"The {ring.purpose} key {number} of the key file is not the one that this database was written"
                    " with: put that one back, or give the new key a number of its own."
                )


def _refuse_lacking(known: Known, ring: KeyRing) -> None:
    if ring.name != EncryptionKey.Ring.BLIND_INDEX:
        return
    for (name, number), (_, retired) in (known or {}).items():
        if name == ring.name and not retired:
            # Raises where it is missing.
            ring.key(number)


def _refuse_retired(known: Known, ring: KeyRing) -> None:
    _, retired = (known or {}).get((ring.name, ring.current), (None, False))
    if retired:
        raise KeyUnavailableError(
            f"The {ring.purpose} key {ring.current} is retired, and the key file would write with it: is the file"
            " an older one? Add a new key."
        )


def _refuse_to_write(known: Known, ring: KeyRing) -> None:
    _refuse_retired(known, ring)
    if known is not None and (ring.name, ring.current) not in known:
        raise KeyUnavailableError(
            f"The {ring.purpose} key {ring.current} is current in the key file, and the database does not know it yet:"
            " deploy_release or rotate_encryption_keys enlists it, then it may write."
        )


def is_retired(ring: KeyRing, number: int) -> bool:
    """Say whether a rotation has left nothing of a key, as the database knows it at this moment."""
    _, retired = (_known(_connection()) or {}).get((ring.name, number), (None, False))
    return retired


def missing_keys(connection: BaseDatabaseWrapper, found: KeyRings) -> list[tuple[KeyRing, int]]:
    """Return the keys that the file has no more, as ring and number."""
    known = _known(connection) or {}
    return [(ring, number) for ring in found for name, number in known if name == ring.name and number not in ring.keys]


def enlist(connection: BaseDatabaseWrapper) -> KeyRings:
    """Let the database know the keys that write from now on, as the owner, and return the file's.

    Raises KeyUnavailableError, WrongKeyError.
    """
    found = rings()
    compare(connection, found)
    known = _known(connection)
    new: list[tuple[str, int, bytes]] = [
        (ring.name, ring.current, _check_value(ring.key(ring.current)))
        for ring in found
        if known is not None and (ring.name, ring.current) not in known
    ]
    if new:
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO common_encryptionkey (ring, number, check_value) VALUES (%s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                new,
            )
        # Somebody else may have been first, with another key.
        compare(connection, found)
    return found


def retire(connection: BaseDatabaseWrapper, found: KeyRings) -> None:
    """Let the file do without the keys before the current ones: no row has anything of them."""
    for ring in found:
        older = EncryptionKey.objects.using(connection.alias).filter(ring=ring.name, retired_at=None)
        older.filter(number__lt=ring.current).update(retired_at=Now())


def _check_value(key: bytes) -> bytes:
    return hmac.digest(key, CONSTANT, "sha256")


def _known(connection: BaseDatabaseWrapper) -> Known:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.common_encryptionkey') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return None
        cursor.execute("SELECT ring, number, check_value, retired_at IS NOT NULL FROM common_encryptionkey")
        return {(ring, number): (bytes(value), retired) for ring, number, value, retired in cursor.fetchall()}
