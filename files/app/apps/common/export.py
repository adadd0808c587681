"""Everything that the database holds of a person, as JSON."""

import json
from collections.abc import Callable
from typing import Any, TextIO
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections, transaction

from apps.common.person import Personal, personal

CHUNK_ROWS = 500


def export(alias: str, person_id: UUID, out: TextIO, advance: Callable[[int], object]) -> dict[str, int]:
    """Write {"person": key, "tables": {table: [row, …]}} as of one moment, and return the number of rows by table.

    Encrypted columns are opened. Raises EncryptionError.
    """
    counts: dict[str, int] = {}
    with transaction.atomic(using=alias):
        with connections[alias].cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        out.write(f'{{"person": "{person_id}", "tables": {{')
        # Accounts first.
        for declared in reversed(personal()):
            table = declared.model._meta.db_table
            out.write(f'{"," if counts else ""}\n"{table}": [')
            counts[table] = _write_rows(declared, alias, person_id, out, advance)
            out.write("]")
        out.write("\n}}\n")
    return counts


def _write_rows(declared: Personal, alias: str, person_id: UUID, out: TextIO, advance: Callable[[int], object]) -> int:
    count = 0
    columns = declared.shown()
    for row in declared.rows(alias, person_id).iterator(chunk_size=CHUNK_ROWS):
        shown: dict[str, Any] = {column.attname: getattr(row, column.attname) for column in columns}
        out.write(f"{',' if count else ''}\n{json.dumps(shown, cls=DjangoJSONEncoder, ensure_ascii=False)}")
        count += 1
        advance(1)
    return count
