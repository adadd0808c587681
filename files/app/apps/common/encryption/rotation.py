"""Brings values to the current keys: opened by the key that sealed them, sealed anew, their blind indexes made anew."""

from collections.abc import Iterator
from typing import Any

from django.db import connections

from apps.common.encryption.columns import Row, SealedTable, Waiting, write
from apps.common.encryption.envelope import key_number, seal, unseal
from apps.common.encryption.fields import BlindIndexField, EncryptedTextField
from apps.common.encryption.keys import KeyRings

Keyed = EncryptedTextField | BlindIndexField

# Where a value says which key made it, counted from 1: after the format, and in front of a blind index.
_NUMBER = 'substring("{column}" FROM {start} FOR 2)'


def _number(field: Keyed) -> str:
    return _NUMBER.format(column=field.column, start=1 if isinstance(field, BlindIndexField) else 2)


def _current(field: Keyed, rings: KeyRings) -> int:
    ring = rings.blind_index if isinstance(field, BlindIndexField) else rings.encryption
    return ring.current


def outdated(alias: str, table: SealedTable, rings: KeyRings) -> Waiting:
    """Return the rows that have something of an older key."""
    written: list[Keyed] = [*table.fields, *table.indexes]
    older = " OR ".join(f"{_number(field)} <> '\\x{_current(field, rings):04x}'::bytea" for field in written)
    return Waiting(alias, table, [str(field.column) for field in written], older)


def require_keys(alias: str, table: SealedTable, rings: KeyRings) -> None:
    """Open one value of each column and key before anything is changed.

    Raises EncryptionError where a key is missing or is not the one that sealed the value.
    """
    with connections[alias].cursor() as cursor:
        for field in table.fields:
            number, column = _number(field), field.column
            cursor.execute(
                f'SELECT DISTINCT ON ({number}) "{table.key}", "{column}" FROM "{table.name}"'  # noqa: S608 (names of a model)
                f' WHERE "{column}" IS NOT NULL ORDER BY {number}'
            )
            for key, value in cursor.fetchall():
                unseal(bytes(value), field.place_of(key), rings.encryption)


def rotate(waiting: Waiting, rings: KeyRings, batch_rows: int, refused: list[Any]) -> Iterator[int]:
    """Rotate the rows, and yield the size of each batch when it is committed.

    `refused` gets the keys of rows that keep what they have: another row has the same value by the new key.
    """
    table = waiting.table
    assignments = ", ".join(f'"{column}" = %s' for column in waiting.columns)
    update = f'UPDATE "{table.name}" SET {assignments} WHERE "{table.key}" = %s'  # noqa: S608 (names of a model)

    def work(rows: list[Row]) -> None:
        values = [(*_rotated(table, rings, row), row[0]) for row in rows]
        refused.extend(row[-1] for row in write(waiting.alias, update, values))

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
