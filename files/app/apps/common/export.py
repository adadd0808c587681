"""Everything that the database holds of a person, as JSON."""

import json
from collections.abc import Callable
from typing import Any, TextIO
from uuid import UUID

from django.contrib.auth import HASH_SESSION_KEY
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections, transaction

from apps.common.person import Personal, personal
from apps.common.sessions import sessions_of

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
        sessions = [_session(session) for session in sessions_of(alias, person_id)]
        counts["django_session"] = len(sessions)
        out.write(f',\n"django_session": {_json(sessions)}\n}}}}\n')
    return counts


def _session(session: Any) -> dict[str, Any]:
    """Return what a session holds, but not what it is logged in by."""
    content = {name: value for name, value in session.get_decoded().items() if name != HASH_SESSION_KEY}
    return {"expire_date": session.expire_date, "content": content}


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)


def _write_rows(declared: Personal, alias: str, person_id: UUID, out: TextIO, advance: Callable[[int], object]) -> int:
    count = 0
    columns = declared.shown()
    for row in declared.rows(alias, person_id).iterator(chunk_size=CHUNK_ROWS):
        shown: dict[str, Any] = {column.attname: getattr(row, column.attname) for column in columns}
        out.write(f"{',' if count else ''}\n{_json(shown)}")
        count += 1
        advance(1)
    return count
