"""Every table stands in one list that says who reads and writes it: a new table, or another right, is decided there."""

import json
import re
from difflib import unified_diff
from pathlib import Path
from typing import Any

import psycopg
import pytest
from access import DECLARED
from psycopg import errors
from server import Server
from sessions import scalar, session

LIST = Path(__file__).parent / "data" / "table_rights.txt"
APPLICATION, OWNER = "freelance_user", "freelance_owner"
OTHERS = {"staff": "freelance_staff", "reports": "reporting_user", "ledger": "freelance_ledger", "audit": "audit_owner"}
COMMANDS = ("SELECT", "INSERT", "UPDATE", "DELETE")

# Partitions are reached by their parent alone: test_row_security_roles.
TABLES = """
SELECT json_agg(json_build_object(
    'table', t.relname, 'forced', t.relrowsecurity AND t.relforcerowsecurity,
    'privileges', (
        SELECT json_object_agg(role || ' ' || command, CASE
            WHEN has_table_privilege(role, t.oid, command) THEN 'all'
            WHEN command <> 'DELETE' AND has_any_column_privilege(role, t.oid, command) THEN 'some'
            ELSE 'none' END)
        FROM unnest(ARRAY['freelance_user', 'freelance_staff', 'reporting_user', 'freelance_ledger', 'audit_owner'])
                AS role,
            unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS command),
    'policies', coalesce((
        SELECT json_agg(p) FROM pg_policies AS p WHERE p.schemaname = 'public' AND p.tablename = t.relname), '[]')
    ) ORDER BY t.relname)
FROM pg_class AS t
WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p', 'f') AND NOT t.relispartition
"""
# Roles that log in and have no business with a row: `backup` alone reads all of them (test_row_security_roles).
WITHOUT_ROWS = sorted(
    {role["name"] for role in DECLARED["__postgresql_access_roles"] if role.get("login")}
    - {APPLICATION, *OTHERS.values(), "backup"}
)
# How many tables, views, partitions and sequences each role that is not named reaches in any way.
REACHED = f"""
SELECT json_object_agg(rolname, (
    SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND CASE
        WHEN relkind = 'S' THEN has_sequence_privilege(role.oid, pg_class.oid, 'USAGE, SELECT, UPDATE')
        WHEN relkind IN ('r', 'p', 'v', 'm', 'f') THEN has_any_column_privilege(role.oid, pg_class.oid,
            'SELECT, INSERT, UPDATE, REFERENCES') OR has_table_privilege(role.oid, pg_class.oid,
            'DELETE, TRUNCATE, TRIGGER, MAINTAIN')
        END))
FROM pg_roles AS role
WHERE rolcanlogin AND NOT rolsuper AND rolname NOT IN ('{APPLICATION}', '{"', '".join(OTHERS.values())}', 'backup')
"""  # noqa: S608 (roles that are named here)
RELATIONS = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
"""
# What a condition of a policy says, by what stands in it.
SIGNS = {
    "parent": r"parent\.id|sees_", "own": "app.current_user_id", "platform": "acts_for_platform",
    "superuser": "gives_rights", "nobodys": r" IS NULL\)", "public": "is_public", "published": "'published'",
    "newcomer": "NOT is_staff",
}  # fmt: skip


def whose(condition: str | None) -> str:
    """Return in words on which rows a condition holds."""
    if condition is None:
        return "-"
    found = [word for word, sign in SIGNS.items() if re.search(sign, condition)]
    return "all" if condition == "true" else "+".join(found)


def rows_of(table: dict[str, Any], command: str) -> str:
    """Return on which rows the application may run a command."""
    if table["privileges"][f"{APPLICATION} {command}"] != "all":
        return "-"
    if not table["forced"]:
        return "all"
    fitting = [p for p in table["policies"] if p["roles"] == [APPLICATION] and p["cmd"] in {command, "ALL"}]
    clauses = {"SELECT": ["qual"], "DELETE": ["qual"], "INSERT": ["with_check"]}.get(command, ["qual", "with_check"])
    # Of several policies each one suffices.
    return "|".join("/".join(dict.fromkeys(whose(policy[clause]) for clause in clauses)) for policy in fitting) or "-"


def privileges_of(table: dict[str, Any], role: str) -> str:
    """Return the first letters of the commands that another role may run, with a star where columns are left out."""
    held = {command: table["privileges"][f"{role} {command}"] for command in COMMANDS}
    letters = [command[0].lower() + ("*" if how == "some" else "") for command, how in held.items() if how != "none"]
    return "".join(letters) or "-"


def tables(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(server.sql("freelance_platform", TABLES))
    return found


def test_every_table_gives_who_is_listed_the_rights_that_are_listed(migrated: Server) -> None:
    listed = [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    header, *lines = [" ".join(line.split()) for line in listed]
    assert header.split() == ["table", *(command.lower() for command in COMMANDS), *OTHERS]
    found = [
        " ".join([
            table["table"], *(rows_of(table, command) for command in COMMANDS),
            *(privileges_of(table, role) for role in OTHERS.values()),
        ])
        for table in tables(migrated)
    ]  # fmt: skip
    assert found == lines, "\n".join(unified_diff(lines, found, "listed", "found", lineterm="", n=0))


def test_who_may_read_a_protected_table_is_named_by_a_policy(migrated: Server) -> None:
    """Without one the role would see no row, and nobody would be told."""
    for table in tables(migrated):
        if not table["forced"]:
            continue
        named = {(role, p["cmd"], p["qual"]) for p in table["policies"] for role in p["roles"]}
        assert (OWNER, "ALL", "true") in named, table["table"]
        for role in OTHERS.values():
            if table["privileges"][f"{role} SELECT"] != "none":
                assert {(role, "SELECT", "true"), (role, "ALL", "true")} & named, (table["table"], role)


def test_no_policy_is_for_everybody(migrated: Server) -> None:
    for table in tables(migrated):
        for policy in table["policies"]:
            assert len(policy["roles"]) == 1, policy
            assert policy["roles"] != ["public"], policy
            assert policy["permissive"] == "PERMISSIVE", policy


def test_who_logs_in_and_is_not_listed_reaches_no_table_partition_or_sequence(migrated: Server) -> None:
    assert json.loads(migrated.sql("freelance_platform", REACHED)) == dict.fromkeys(WITHOUT_ROWS, 0)


@pytest.mark.parametrize("role", WITHOUT_ROWS)
def test_who_logs_in_and_is_not_listed_is_refused_every_row(migrated: Server, role: str) -> None:
    """The migrator, too, as long as it does not become the owner."""
    relations = migrated.sql("freelance_platform", RELATIONS).split()
    refused = 0
    try:
        with session(migrated, role) as made:
            for relation in relations:
                with pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
                    scalar(made, f"SELECT count(*) FROM public.{relation}")  # noqa: S608 (its name)
                refused += 1
    except psycopg.OperationalError as error:
        assert "permission denied for database" in str(error)  # noqa: PT017 (some get in)
        assert role in {"replicator", "rewind"}
    else:
        assert refused == len(relations) > 70
