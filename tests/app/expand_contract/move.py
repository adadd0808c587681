"""Second deployment, before its code starts, which reads the new column: values of rows that nobody touched since."""

from uuid import UUID

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

BATCH_ROWS = 1000
MOVE = """
WITH batch AS (SELECT id FROM accounts_user WHERE id > %s ORDER BY id LIMIT %s),
    moved AS (
        UPDATE accounts_user AS u SET picture_url = u.avatar_url FROM batch
        WHERE u.id = batch.id AND u.picture_url <> u.avatar_url)
SELECT id FROM batch ORDER BY id DESC LIMIT 1
"""


def move(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    last: UUID | None = UUID(int=0)
    with schema_editor.connection.cursor() as cursor:
        while last:
            cursor.execute(MOVE, [last, BATCH_ROWS])
            (last,) = cursor.fetchone() or (None,)


class Migration(migrations.Migration):
    # Each batch is committed by itself: no row is locked for long, and who is stopped goes on where they were.
    atomic = False
    operations = (migrations.RunPython(move, migrations.RunPython.noop),)
