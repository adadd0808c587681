"""Rules that several tables share and that no CHECK could hold, made by triggers."""

from collections.abc import Iterator

from django.db.migrations import RunSQL

from apps.common.sql import refusal, refuse_if, row_trigger


def is_given(table: str, *columns: str) -> Iterator[RunSQL]:
    """Refuse NULL in columns that are NOT NULL under a name: PostgreSQL 17 has none for it."""
    for column in columns:
        name = f"{table}_{column}_is_given"
        refused = refusal(name, column, f"{table}: {column} is missing", hint=f"Say what {column} is.")
        yield row_trigger(table, name, f"BEFORE INSERT OR UPDATE OF {column}", refused, when=f"NEW.{column} IS NULL")


def written_as_it_happens(table: str) -> RunSQL:
    """Refuse a row of a log that is dated more than a day away from now, but for the owner and the platform.

    Each month of a log is a partition: dates at will would make thousands of them.
    """
    name = f"{table}_written_as_it_happens"
    refused = refusal(
        name, "created_at", f"{table}: %s is not the time of something that happens now", "NEW.created_at",
        hint="Leave created_at out, or act as the platform for what happened earlier.",
    )  # fmt: skip
    return row_trigger(
        table, name, "BEFORE INSERT", refuse_if("NOT public.acts_for_platform()", refused),
        when="current_user <> 'freelance_owner' AND"
        " NEW.created_at NOT BETWEEN now() - interval '1 day' AND now() + interval '1 day'",
    )  # fmt: skip


def renamed(table: str, constraint: str, name: str) -> RunSQL:
    """Give a constraint that Django named by its columns a name that says what it refuses."""
    change = f"ALTER TABLE {table} RENAME CONSTRAINT"
    return RunSQL(f"{change} {constraint} TO {name}", f"{change} {name} TO {constraint}")
