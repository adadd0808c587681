"""Compares the key file with the keys that the database was written with.

A blind index of a wrong key looks like any other one: nobody would be found, and a number could be taken twice. So a
check value of each key is kept beside the rows (EncryptionKey), from the first time that the key may write.
"""

import hmac
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now

from apps.common.encryption.errors import KeyUnavailableError, WrongKeyError
from apps.common.encryption.keys import KeyRing, KeyRings, rings
from apps.common.encryption.models import EncryptionKey
from config.router import LEADER, REPLICA

CONSTANT = b"check value of a key for encrypted columns"
# By ring and number: check value, and whether the key is retired.
Known = dict[tuple[str, int], tuple[bytes, bool]]

# What was compared already by each connection: once a database and key file.
_compared: WeakKeyDictionary[BaseDatabaseWrapper, tuple[Any, KeyRings]] = WeakKeyDictionary()
_enlisted: WeakKeyDictionary[BaseDatabaseWrapper, tuple[Any, KeyRings]] = WeakKeyDictionary()


def known_rings(*, to_write: bool = False) -> KeyRings:
    """Return the keys as they are now, when they are those of the database. Raises KeyUnavailableError, WrongKeyError.

    to_write: keys that the database does not know yet are enlisted.
    """
    found = rings()
    alias = router.db_for_read(EncryptionKey)
    # A replica may not know the newest key.
    connection = connections[LEADER if alias == REPLICA else alias]
    done = _enlisted if to_write else _compared
    state = (connection.settings_dict["NAME"], found)
    if done.get(connection) != state:
        compare(connection, found)
        if to_write and _enlist(connection, found):
            # What is rolled back was not enlisted.
            transaction.on_commit(lambda: done.update({connection: state}), using=connection.alias)
        else:
            done[connection] = state
    return found


def compare(connection: BaseDatabaseWrapper, found: KeyRings) -> None:
    """Raise where a key of the file is another one than the database knows, or is missing, or writes no more."""
    known = _known(connection)
    for ring in found:
        for number, key in ring.keys.items():
            value, retired = known.get((ring.name, number), (None, False))
            if value is not None and not hmac.compare_digest(value, _check_value(key)):
                raise WrongKeyError(
                    f"The {ring.purpose} key {number} of the key file is not the one that this database was written"
                    " with: put that one back, or give the new key a number of its own."
                )
            if retired and number == ring.current:
                raise KeyUnavailableError(
                    f"The {ring.purpose} key {number} is retired, and the key file would write with it: is the file"
                    " an older one? Add a new key."
                )
        for name, number in known:
            if name == ring.name and not known[name, number][1]:
                # Raises where it is missing.
                ring.key(number)


def missing_keys(connection: BaseDatabaseWrapper, found: KeyRings) -> list[tuple[KeyRing, int]]:
    """Return the keys that the file has no more, as ring and number."""
    known = _known(connection)
    return [(ring, number) for ring in found for name, number in known if name == ring.name and number not in ring.keys]


def retire(connection: BaseDatabaseWrapper, found: KeyRings) -> None:
    """Let the file do without the keys that are not the current ones: no row has anything of them."""
    for ring in found:
        older = EncryptionKey.objects.using(connection.alias).filter(ring=ring.name, retired_at=None)
        older.exclude(number=ring.current).update(retired_at=Now())


def _check_value(key: bytes) -> bytes:
    return hmac.digest(key, CONSTANT, "sha256")


def _enlist(connection: BaseDatabaseWrapper, found: KeyRings) -> bool:
    """Add the keys of the file that the database does not know; say whether there was one."""
    known = _known(connection)
    new: list[tuple[str, int, bytes]] = [
        (ring.name, number, _check_value(key))
        for ring in found
        for number, key in ring.keys.items()
        if (ring.name, number) not in known
    ]
    if not new or not _is_there(connection):
        return False
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO common_encryptionkey (ring, number, check_value) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            new,
        )
    # Somebody else may have been first, with another key.
    compare(connection, found)
    return True


def _is_there(connection: BaseDatabaseWrapper) -> bool:
    """Say whether the schema is of a release that knows keys."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.common_encryptionkey') IS NOT NULL")
        return bool(cursor.fetchone()[0])


def _known(connection: BaseDatabaseWrapper) -> Known:
    if not _is_there(connection):
        return {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT ring, number, check_value, retired_at IS NOT NULL FROM common_encryptionkey")
        return {(ring, number): (bytes(value), retired) for ring, number, value, retired in cursor.fetchall()}
