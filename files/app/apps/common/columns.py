"""Which columns of a row are whose, where several people may write the row, as a migration declares it.

Policies say which rows somebody reaches; of a reached row they would let everything be changed.
"""

from collections.abc import Mapping

from django.db.migrations import RunSQL

from apps.common.row_security import APPLICATION, PLATFORM
from apps.common.sql import refusal, refuse_if, row_trigger

ACTOR = "coalesce(nullif(current_setting('app.current_user_id', true), ''), 'nobody')"


def columns_of(  # noqa: PLR0913 (what is said of columns, by name)
    name: str, table: str, columns: Mapping[str, str], who: str, *, of: str, key: str = "id"
) -> RunSQL:
    """Refuse the application another value in these columns, unless the condition `who` on the row holds.

    columns: each with the SQL of the value that it has in a new row of anybody else, or "" where a new row may have
    any; a row that the platform makes may. name: of the constraint; `of`: whose the columns are, for the message.
    """
    given = [column for column, initial in columns.items() if initial]
    starts = " OR ".join(f"NEW.{column} IS DISTINCT FROM {columns[column]}" for column in given) or "false"
    changes = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in columns)
    refused = refusal(
        name, next(iter(columns)), f"{table}: {' and '.join(columns)} of %s are for {of} to say, not for %s",
        f"NEW.{key}", ACTOR, hint=f"Act as {of}.",
    )  # fmt: skip
    written = f"CASE TG_OP WHEN 'INSERT' THEN ({starts}) AND NOT {PLATFORM} ELSE {changes} END"
    return row_trigger(
        table, name, "BEFORE INSERT OR UPDATE", refuse_if(f"({written}) AND NOT ({who})", refused),
        when=f"current_user = '{APPLICATION}'",
    )  # fmt: skip
