"""Rows that everybody sees and only some write, as a migration declares it."""

from django.db.migrations import RunSQL

from apps.common.row_security import APPLICATION, PLATFORM, row_security

# Who gives rights: the platform itself, or a superuser (accounts.0016).
GIVES_RIGHTS = "(SELECT public.gives_rights())"


def written_by(condition: str, sees: str = "true") -> dict[str, str]:
    """Return the application's conditions for `row_security` on a table whose rows more people see than write."""
    return {"SELECT": sees, "INSERT": condition, "UPDATE": condition, "DELETE": condition}


def public_rows(table: str, condition: str) -> RunSQL:
    """Let everybody see a table, and the application write the rows for which the condition holds."""
    return row_security(table, written_by(condition))


def written_by_the_platform(table: str) -> RunSQL:
    """Let everybody see a table that is nobody's, and the platform write it."""
    return public_rows(table, PLATFORM)


def policy_condition(table: str, command: str, clause: str, before: str, after: str) -> RunSQL:
    """Change the condition (`USING` or `WITH CHECK`) of the application's policy for a command."""

    def altered(condition: str) -> str:
        policy = f"{APPLICATION}_{command.lower()}"
        return f"""
        DO $policy$
        BEGIN
            IF to_regrole('{APPLICATION}') IS NOT NULL THEN
                ALTER POLICY {policy} ON {table} {clause} ({condition});
            END IF;
        END $policy$;
        """

    return RunSQL(altered(after), altered(before))
