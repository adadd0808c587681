"""Statements that a client can send beside those of the ORM reach no row of another's either."""

from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from access import DECLARED
from apps.common import deployment, materialized, rollup
from apps.common.management.commands.maintain_partitions import ADVISORY_LOCK
from factories_world import World, key_of
from psycopg import errors
from server import Server
from sessions import as_person
from test_row_security import PROTECTED
from test_table_rights import tables

# {0}: a table, {1}: the column of its key, whose value is the key of somebody's row.
READING = {
    "SELECT FOR UPDATE": "SELECT * FROM {0} WHERE {1} = %(key)s FOR UPDATE",
    "SELECT FOR KEY SHARE": "SELECT * FROM {0} WHERE {1} = %(key)s FOR KEY SHARE",
    "ONLY": "SELECT * FROM ONLY {0} WHERE {1} = %(key)s",
    "whole row": "SELECT t::text, to_jsonb(t) FROM {0} AS t WHERE {1} = %(key)s",
    "sample": "SELECT * FROM {0} TABLESAMPLE SYSTEM (100) WHERE {1} = %(key)s",
    "cursor": "DECLARE mine CURSOR FOR SELECT * FROM {0} WHERE {1} = %(key)s; FETCH ALL FROM mine",
    "query_to_xml": "SELECT x FROM query_to_xml('SELECT * FROM {0} WHERE {1} = ''' || %(key)s || '''', true, true, '')"
    " AS x WHERE x::text <> ''",
    "table_to_xml": "SELECT x FROM table_to_xml('{0}', true, true, '') AS x WHERE x::text LIKE '%%' || %(key)s || '%%'",
    "ts_stat": "SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', t::text) FROM {0} AS t WHERE {1} = '''"
    " || %(key)s || '''')",
    "MERGE UPDATE": "MERGE INTO {0} AS t USING (SELECT %(key)s::uuid AS key) AS s ON t.{1} = s.key"
    " WHEN MATCHED THEN UPDATE SET {1} = s.key RETURNING t.*",
    "MERGE DELETE": "MERGE INTO {0} AS t USING (SELECT %(key)s::uuid AS key) AS s ON t.{1} = s.key"
    " WHEN MATCHED THEN DELETE RETURNING t.*",
    "UPDATE FROM": "UPDATE {0} AS t SET {1} = s.{1} FROM {0} AS s WHERE s.{1} = t.{1} AND t.{1} = %(key)s"
    " RETURNING s.*",
    "DELETE USING": "DELETE FROM {0} AS t USING {0} AS s WHERE s.{1} = t.{1} AND t.{1} = %(key)s RETURNING s.*",
    "WITH": "WITH gone AS (DELETE FROM {0} WHERE {1} = %(key)s RETURNING *) SELECT * FROM gone",
}
REFUSED: tuple[type[psycopg.Error], ...] = (errors.InsufficientPrivilege, errors.FeatureNotSupported)


def found(
    of: psycopg.Connection[Any], statement: str, values: Mapping[str, Any], *refusals: type[psycopg.Error]
) -> list[Any]:
    """Return what a statement brings, nothing where it is refused, or ends with one of `refusals`."""
    try:
        with of.transaction(force_rollback=True):
            cursor = psycopg.ClientCursor(of).execute(statement, values)
            while cursor.nextset():
                pass
            return cursor.fetchall()
    except REFUSED + refusals:
        return []


@pytest.mark.parametrize("way", READING)
def test_a_stranger_gets_no_row_by_a_statement_that_the_orm_does_not_send(
    world: World, application: psycopg.Connection[Any], way: str
) -> None:
    def reached(*refusals: type[psycopg.Error]) -> list[str]:
        return [
            table
            for table in PROTECTED
            if found(application, READING[way].format(table, key_of(table)), {"key": str(world.keys[table])}, *refusals)
        ]

    with as_person(application, world.stranger.pk):
        assert reached() == []
    # The statement is one that finds something. Of their own rows people are told why they stay as they are.
    with as_person(application, world.client.pk):
        assert reached(psycopg.IntegrityError)


def copied(of: psycopg.Connection[Any], source: str) -> str:
    with of.transaction(force_rollback=True), of.cursor().copy(f"COPY {source} TO STDOUT") as copy:
        return b"".join(bytes(part) for part in copy).decode()


def test_a_stranger_copies_no_row_out(world: World, application: psycopg.Connection[Any]) -> None:
    for table in PROTECTED:
        key, seen = str(world.keys[table]), {}
        sources = [f"(SELECT * FROM {table})"]  # noqa: S608 (a table's name)
        # COPY does not take a table of partitions by its name.
        if table not in {"accounts_useractivitylog", "gigs_gigview", "gigs_gigsearchhistory"}:
            sources.append(table)
        for source in sources:
            for person in (world.stranger.pk, *world.seen_by[table]):
                with as_person(application, person):
                    seen[person] = key in copied(application, source)
            assert seen == {world.stranger.pk: False} | dict.fromkeys(world.seen_by[table], True), source


@pytest.mark.parametrize("table", PROTECTED)
def test_nobody_copies_rows_in_past_the_policies(
    world: World, application: psycopg.Connection[Any], table: str
) -> None:
    with (
        as_person(application, world.client.pk),
        pytest.raises(REFUSED, match=r"permission denied|row-level security"),
        application.cursor().copy(f"COPY {table} FROM STDIN"),
    ):
        pass


@pytest.mark.parametrize("target", ["'/tmp/rows'", "PROGRAM 'cat'"])
def test_nothing_is_copied_to_the_server(application: psycopg.Connection[Any], target: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
        application.execute(f"COPY gigs_category TO {target}")


def test_what_the_application_only_reads_it_does_not_lock(
    migrated: Server, application: psycopg.Connection[Any]
) -> None:
    """LOCK TABLE comes with UPDATE and DELETE; how long it may be held is said by the role's time-outs."""
    changed = ("UPDATE", "DELETE")
    read = [
        table["table"]
        for table in tables(migrated)
        if not any(table["privileges"][f"freelance_user {command}"] == "all" for command in changed)
    ]
    assert {"payments_wallet", "payments_transaction", "common_auditlog", "gigs_gigview"} <= {*read}
    for table in read:
        with pytest.raises(errors.InsufficientPrivilege), application.transaction(force_rollback=True):
            application.execute(f"LOCK TABLE {table} IN SHARE MODE")


# Each function that takes an advisory lock, and who may run it.
LOCKING = """
SELECT proname || '(' || pg_get_function_arguments(oid) || ')', (
    SELECT string_agg(rolname, ' ') FROM pg_roles
    WHERE NOT rolsuper AND rolname !~ '^pg_' AND has_function_privilege(pg_roles.oid, pg_proc.oid, 'EXECUTE'))
FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^pg_(try_)?advisory_(xact_)?lock'
"""


def test_nobody_locks_out_a_deployment_or_leaves_a_lock_in_the_pooler(
    migrated: Server, application: psycopg.Connection[Any]
) -> None:
    for key in (ADVISORY_LOCK, deployment.ADVISORY_LOCK, rollup.ADVISORY_LOCK, materialized.ADVISORY_LOCK):
        with pytest.raises(errors.InsufficientPrivilege, match="permission denied for function"):
            application.execute("SELECT pg_try_advisory_lock(%s)", [key])
    # What is declared is all that PostgreSQL has.
    declared = {
        function["signature"]: " ".join(function["execute"])
        for database in DECLARED["__postgresql_access_databases"]
        for function in database["functions"]
        if "advisory" in function["signature"]
    }
    found = migrated.sql("freelance_platform", LOCKING).splitlines()
    assert dict(line.split("|") for line in found) == declared


@pytest.mark.parametrize(
    "made", ["lo_create(0)", "lo_creat(-1)", "lo_from_bytea(0, 'secret')", "lo_import('/etc/issue')"]
)
def test_nobody_makes_a_large_object_on_which_no_policy_stands(application: psycopg.Connection[Any], made: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege, match="permission denied for function"):
        application.execute(f"SELECT {made}")
