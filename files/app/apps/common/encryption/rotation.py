"""Brings values to the current keys: opened by the key that sealed them, sealed anew, their blind indexes made anew.

The audit log notes no change: nobody changed anything.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connections

from apps.common.audit_sql import ROTATES_KEYS
from apps.common.encryption.columns import Row, SealedTable, Waiting, write
from apps.common.encryption.envelope import key_number, seal, unseal
from apps.common.encryption.errors import EncryptionError
from apps.common.encryption.fields import BlindIndexField, EncryptedTextField
from apps.common.encryption.keys import KeyRing, KeyRings
from apps.common.encryption.known_keys import missing_keys

Keyed = EncryptedTextField | BlindIndexField

# Where a value says which key made it, counted from 1: after the format, and in front of a blind index.
_NUMBER = 'substring("{column}" FROM {start} FOR 2)'


def _number(field: Keyed) -> str:
    return _NUMBER.format(column=field.column, start=1 if isinstance(field, BlindIndexField) else 2)


def _ring(field: Keyed) -> str:
    return "blind_index" if isinstance(field, BlindIndexField) else "encryption"


def _current(field: Keyed, rings: KeyRings) -> int:
    ring: KeyRing = getattr(rings, _ring(field))
    return ring.current


def outdated(alias: str, table: SealedTable, rings: KeyRings) -> Waiting:
    """Return the rows that have something of an older key."""
    written: list[Keyed] = [*table.fields, *table.indexes]
    older = " OR ".join(f"{_number(field)} <> '\\x{_current(field, rings):04x}'::bytea" for field in written)
    return Waiting(alias, table, [str(field.column) for field in written], older)


def require_keys(alias: str, tables: Iterable[SealedTable], rings: KeyRings) -> None:
    """Raise KeyUnavailableError where the file lacks a key that a row still has something of."""
    for ring, number in missing_keys(connections[alias], rings):
        if any(_rows_with(alias, table, ring, number) for table in tables):
            # Raises: the file has none of this number.
            ring.key(number)


def _rows_with(alias: str, table: SealedTable, ring: KeyRing, number: int) -> int:
    keyed: list[Keyed] = [*table.fields, *table.indexes]
    written = [field for field in keyed if _ring(field) == ring.name]
    of_key = " OR ".join(f"{_number(field)} = '\\x{number:04x}'::bytea" for field in written) or "false"
    return Waiting(alias, table, [], of_key).count()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refused:
    """Keys of rows that keep what they have."""

    # Another row has the same value by the new key.
    twice: list[Any] = dataclasses.field(default_factory=list)
    # What is wrong with a value: it was altered, or belongs to another place.
    damaged: list[str] = dataclasses.field(default_factory=list)


def rotate(waiting: Waiting, rings: KeyRings, batch_rows: int, refused: Refused) -> Iterator[int]:
    """Rotate the rows, and yield the size of each batch when it is committed."""
    table = waiting.table
    assignments = ", ".join(f'"{column}" = %s' for column in waiting.columns)
    update = f'UPDATE "{table.name}" SET {assignments} WHERE "{table.key}" = %s'  # noqa: S608 (names of a model)

    def work(rows: list[Row]) -> None:
        values = []
        for row in rows:
            try:
                values.append((*_rotated(table, rings, row), row[0]))
            except EncryptionError as error:
                # The keys are the right ones: that was seen before.
                refused.damaged.append(str(error))
        with connections[waiting.alias].cursor() as cursor:
            cursor.execute("SELECT set_config(%s, 'on', true)", [ROTATES_KEYS])
        refused.twice.extend(row[-1] for row in write(waiting.alias, update, values))

    return waiting.in_batches(work, batch_rows)


def _rotated(table: SealedTable, rings: KeyRings, row: Row) -> Iterator[bytes | None]:
    """Yield the row's encrypted columns and then its blind indexes, by the current keys."""
    key, sealed = row[0], [value if value is None else bytes(value) for value in row[1 : 1 + len(table.fields)]]
    texts = {
        field.name: unseal(value, field.place_of(key), rings.encryption)
        for field, value in zip(table.fields, sealed, strict=True)
        if value is not None
    }
    for field, value in zip(table.fields, sealed, strict=True):
        if value is None or key_number(value) == rings.encryption.current:
            yield value
        else:
            yield seal(texts[field.name], field.place_of(key), rings.encryption)
    for index in table.indexes:
        yield index.index(texts[index.of]) if index.of in texts else None
