"""The encrypted columns of the application, table by table, for work on all rows of them."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connections, transaction
from django.db.models import Model
from django.db.utils import IntegrityError

from apps.common.encryption.envelope import RandomBytes, seal
from apps.common.encryption.fields import BlindIndexField, EncryptedTextField
from apps.common.encryption.known_keys import encryption_ring

Row = tuple[Any, ...]


@dataclass(frozen=True)
class SealedTable:
    """A model with encrypted columns, and the blind indexes of some of them."""

    model: type[Model]
    fields: tuple[EncryptedTextField, ...]
    indexes: tuple[BlindIndexField, ...]

    @property
    def name(self) -> str:
        return self.model._meta.db_table

    @property
    def key(self) -> str:
        return str(self.model._meta.pk.column)

    @classmethod
    def of(cls, model: type[Model]) -> "SealedTable":
        own = model._meta.concrete_fields
        return cls(
            model,
            tuple(field for field in own if isinstance(field, EncryptedTextField)),
            tuple(field for field in own if isinstance(field, BlindIndexField)),
        )

    def index_of(self, field: EncryptedTextField) -> BlindIndexField | None:
        return next((index for index in self.indexes if index.of == field.name), None)

    def sealed(
        self, field: EncryptedTextField, key: object, text: str | None, random_bytes: RandomBytes = os.urandom
    ) -> Iterator[bytes | None]:
        """Yield what a row holds of a text: ciphertext, and the blind index where the field has one."""
        index = self.index_of(field)
        yield seal(text, field.place_of(key), encryption_ring(to_write=True), random_bytes) if text else None
        if index is not None:
            yield index.index(text) if text else None


def sealed_tables() -> list[SealedTable]:
    """Return the tables with encrypted columns."""
    return [table for model in apps.get_models() if (table := SealedTable.of(model)).fields]


@dataclass(frozen=True)
class Waiting:
    """The rows of a table that something is to be done to: these columns of them, by an SQL condition."""

    alias: str
    table: SealedTable
    columns: Sequence[str]
    condition: str

    def count(self) -> int:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(f'SELECT count(*) FROM "{self.table.name}" WHERE {self.condition}')  # noqa: S608 (names of a model)
            return int(cursor.fetchone()[0])

    def in_batches(self, work: Callable[[list[Row]], object], batch_rows: int) -> Iterator[int]:
        """Do the work in the order of the keys, and yield the size of each batch when it is committed.

        work: gets rows of key and columns, which are locked until its batch ends. A row that somebody else is writing
        is left for the next run. What is done stays done: after an interruption the next run goes on with the rest.
        """
        key, columns = f'"{self.table.key}"', ", ".join(f'"{column}"' for column in self.columns)
        last: Any = None
        while True:
            after = f"{key} > %s AND " if last is not None else ""
            query = f"""
                SELECT {key}, {columns} FROM "{self.table.name}" WHERE {after}({self.condition})
                ORDER BY {key} LIMIT %s FOR NO KEY UPDATE SKIP LOCKED"""  # noqa: S608 (names of a model)
            with transaction.atomic(using=self.alias):
                with connections[self.alias].cursor() as cursor:
                    cursor.execute(query, [*([last] if last is not None else []), batch_rows])
                    rows = cursor.fetchall()
                if not rows:
                    return
                work(rows)
            last = rows[-1][0]
            yield len(rows)


def write(alias: str, update: str, values: Sequence[Row]) -> list[Row]:
    """Run an update for each of the values, and return those that a constraint refused: the rest is written."""
    try:
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.executemany(update, values)
    except IntegrityError:
        if len(values) == 1:
            return list(values)
        half = len(values) // 2
        return write(alias, update, values[:half]) + write(alias, update, values[half:])
    return []
