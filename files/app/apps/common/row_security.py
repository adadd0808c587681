"""Row level security of a table, as a migration declares it: forced, and who is named by no policy sees no row.

Policies are a net under the filters of queries, not in their place: a query still names the person or the order whose
rows it wants, and so finds its index.
"""

from collections.abc import Mapping, Sequence

from django.db.migrations import RunSQL

OWNER, LEDGER, APPLICATION, STAFF, REPORTING = (
    "freelance_owner", "freelance_ledger", "freelance_user", "freelance_staff", "reporting_user",
)  # fmt: skip

# The person of the transaction (apps.common.identity); NULL is nobody. As a subquery it is asked once a statement.
ME = "(SELECT nullif(current_setting('app.current_user_id', true), '')::uuid)"
# The platform itself or somebody of its staff acts (accounts.0014).
PLATFORM = "(SELECT public.acts_for_platform())"

# One condition for rows as they are and as they become, or one for each.
Condition = str | tuple[str, str]


def closed(function: str) -> str:
    """Return the statement after which nobody but its owner runs a function, given with its argument types.

    One of a trigger fires without: who could run it might hang it on a table of their own.
    """
    return f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC, {APPLICATION}, {STAFF};"


def own(*columns: str) -> str:
    """Return the condition that one of these columns is the person who acts, or that the platform does."""
    # Each subquery is planned for itself, in every statement: the person is asked once for all columns.
    person = f"{columns[0]} = {ME}" if len(columns) == 1 else f"{ME} = ANY (ARRAY[{', '.join(columns)}])"
    return f"{person} OR {PLATFORM}"


def seen(parent: str, table: str, column: str) -> str:
    """Return the condition that who asks sees the row of `parent` that `column` points at: its policies decide."""
    # A value, not EXISTS: that is planned twice, for one row and for all rows at once, and every statement plans anew.
    return f"(SELECT true FROM public.{parent} AS parent WHERE parent.id = {table}.{column})"  # noqa: S608 (names)


def sees(parent: str) -> RunSQL:
    """Make the function that says whether who asks sees the row of `parent` with a key: its policies decide.

    For a few rows at a time. The condition of a policy is planned anew in every statement, with the policies of the
    parent in it: half of the time of a short read. A plan of plpgsql is kept in the session, but each row calls it, and
    from about ten rows on `seen` is the shorter way. It has no search_path of its own, for which each call would pay:
    what it names has its schema.
    """
    name = f"public.sees_{parent}(uuid)"
    return RunSQL(
        f"""
        CREATE FUNCTION public.sees_{parent}(key uuid) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $sees$
        BEGIN
            RETURN EXISTS (SELECT FROM public.{parent} AS parent WHERE parent.id OPERATOR(pg_catalog.=) key);
        END $sees$;
        """,
        f"DROP FUNCTION {name};",
    )


def seen_instead(table: str, before: str, now: str) -> RunSQL:
    """Replace the condition on which the application reads and changes rows of a table."""
    both = ("USING ({0})", "USING ({0}) WITH CHECK ({0})")

    def altered(condition: str) -> str:
        return "".join(
            f"ALTER POLICY {_policy(APPLICATION, command)} ON {table} {clauses.format(condition)};"
            for command, clauses in zip(("SELECT", "UPDATE"), both, strict=True)
        )

    return RunSQL(altered(now), altered(before))


def row_security(
    table: str,
    application: Mapping[str, Condition],
    *,
    readers: Sequence[str] = (STAFF, REPORTING),
    ledger: bool = False,
) -> RunSQL:
    """Force row level security on a table. The owner sees and writes every row, `readers` see every row.

    application: by command (SELECT, INSERT, UPDATE, DELETE or ALL) the rows on which the application may run it; a
    command without a condition has none. `ledger`: the functions of the ledger see and write every row as well.
    A role that is missing gets no policy.
    """
    everything = [(role, "ALL", "true") for role in (OWNER, *([LEDGER] if ledger else []))]
    reading = [(role, "SELECT", "true") for role in readers]
    policies = [*everything, *reading, *((APPLICATION, *entry) for entry in application.items())]
    creates = "".join(
        f"""
            IF to_regrole('{role}') IS NOT NULL THEN
                CREATE POLICY {_policy(role, command)} ON {table} FOR {command} TO {role}
                    {_clauses(command, condition)};
            END IF;"""
        for role, command, condition in policies
    )
    drops = "".join(f"DROP POLICY IF EXISTS {_policy(role, command)} ON {table};" for role, command, _ in policies)
    return RunSQL(
        f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        DO $policies$
        BEGIN{creates}
        END $policies$;
        """,
        f"{drops} ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;",
    )


def _policy(role: str, command: str) -> str:
    return f"{role}_{command.lower()}"


def _clauses(command: str, condition: Condition) -> str:
    before, after = (condition, condition) if isinstance(condition, str) else condition
    using = "" if command == "INSERT" else f"USING ({before})"
    check = "" if command in {"SELECT", "DELETE"} else f"WITH CHECK ({after})"
    return f"{using} {check}".strip()


def admits_who_sees(parent: str, table: str, field: str) -> RunSQL:
    """Refuse a row of the application whose parent, by the foreign key `field`, who writes does not see.

    A policy is asked after the triggers BEFORE. These read with the rights of the owner, and what they refuse they
    explain: a stranger would learn state and price of an order. The name sorts this one before them.
    """
    name = f"{table}_admits_who_sees_{field}"
    return RunSQL(
        f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
        BEGIN
            -- As who writes: the policies of {parent} say what there is.
            PERFORM FROM public.{parent} WHERE id = NEW.{field}_id;
            IF NOT FOUND THEN
                RAISE EXCEPTION USING
                    ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
                    COLUMN = '{field}_id', CONSTRAINT = '{name}',
                    MESSAGE = format('there is no {parent} %s for who acts here ({name})', NEW.{field}_id),
                    HINT = 'Act as a person who may see it, or as the platform.';
            END IF;
            RETURN NEW;
        END $function$;
        {closed(f"{name}()")}
        CREATE TRIGGER {name} BEFORE INSERT OR UPDATE OF {field}_id ON {table}
            FOR EACH ROW WHEN (current_user = '{APPLICATION}') EXECUTE FUNCTION {name}();
        """,
        f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}();",
    )
