"""Moves what plain columns of older releases hold into the encrypted columns beside them."""

from collections.abc import Iterator

from django.db import connections

from apps.common.encryption.columns import Row, SealedTable, Waiting
from apps.common.encryption.fields import EncryptedTextField


def plain_fields(alias: str, table: SealedTable) -> list[EncryptedTextField]:
    """Return the fields whose plain column is still there: it has the name of the attribute."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        found = {column.name for column in connection.introspection.get_table_description(cursor, table.name)}
    return [field for field in table.fields if field.column != field.attname and field.attname in found]


def plain_rows(alias: str, table: SealedTable) -> Waiting | None:
    """Return the rows with plain values; None where there are no plain columns any more."""
    names = [field.attname for field in plain_fields(alias, table)]
    return Waiting(alias, table, names, " OR ".join(f"\"{name}\" <> ''" for name in names)) if names else None


def encrypt(waiting: Waiting, batch_rows: int) -> Iterator[int]:
    """Seal what is plain, empty the plain columns, and yield the size of each batch when it is committed.

    A value that a newer release has sealed already stays. Raises KeyUnavailableError, and IntegrityError where two rows
    hold one value.
    """
    table, fields = waiting.table, plain_fields(waiting.alias, waiting.table)
    pairs = [(field, table.index_of(field)) for field in fields]
    written = [column.column for pair in pairs for column in pair if column is not None]
    assignments = [f'"{column}" = coalesce("{column}", %s)' for column in written]
    assignments += [f'"{field.attname}" = DEFAULT' for field in fields]
    update = f'UPDATE "{table.name}" SET {", ".join(assignments)} WHERE "{table.key}" = %s'  # noqa: S608 (names of a model)

    def sealed(row: Row) -> Iterator[bytes | None]:
        for field, text in zip(fields, row[1:], strict=True):
            yield from table.sealed(field, row[0], text)

    def work(rows: list[Row]) -> None:
        with connections[waiting.alias].cursor() as cursor:
            cursor.executemany(update, [(*sealed(row), row[0]) for row in rows])

    return waiting.in_batches(work, batch_rows)
