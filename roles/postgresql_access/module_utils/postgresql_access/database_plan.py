"""The difference between declaration and server inside databases: schemas, extensions, functions, privileges."""

from __future__ import annotations

from . import catalog
from .catalog import Query, Relation
from .changes import Change, grant_changes, quoted
from .model import Database, Declaration, DeclarationError, Function, Grants, Schema

KINDS = {"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS"}
# What PostgreSQL gives everyone on new objects where no default privilege says otherwise.
BUILT_IN: dict[str, Grants] = {"f": frozenset({("PUBLIC", "EXECUTE")}), "T": frozenset({("PUBLIC", "USAGE")})}
TABLE_KINDS, SEQUENCE_KINDS = "rpvmf", "S"


def missing_databases(declaration: Declaration, query: Query) -> list[Change]:
    """Databases to create (outside any transaction)."""
    found = catalog.read_databases(query)
    return [
        Change(
            subject=f"database {database.name}",
            before="absent",
            after=f"owner {database.owner}, with its schemas, extensions and privileges",
            sql=f"CREATE DATABASE {quoted(database.name)} OWNER {quoted(database.owner)}",
        )
        for database in declaration.databases
        if database.name not in found
    ]


def plan_databases(declaration: Declaration, query: Query) -> list[Change]:
    """Owners and privileges of the databases that exist."""
    found = catalog.read_databases(query)
    changes = []
    for database in declaration.databases:
        if database.name not in found:
            continue
        owner, held = found[database.name]
        subject, target = f"database {database.name}", f"DATABASE {quoted(database.name)}"
        changes += _owner_changes(subject, target, owner, database.owner)
        changes += grant_changes(subject=subject, target=target, wanted=database.grants, held=held)
    return changes


def plan_schemas(database: Database, query: Query) -> list[Change]:
    """Schemas with owner and privileges."""
    changes = []
    for schema in database.schemas:
        found = catalog.read_schema(query, schema.name)
        subject, target = f"schema {database.name}.{schema.name}", f"SCHEMA {quoted(schema.name)}"
        if found is None:
            sql = f"CREATE SCHEMA {quoted(schema.name)} AUTHORIZATION {quoted(schema.owner)}"
            changes.append(Change(subject=subject, before="absent", after=f"owner {schema.owner}", sql=sql))
            found = (schema.owner, frozenset())
        owner, held = found
        changes += _owner_changes(subject, target, owner, schema.owner)
        changes += grant_changes(subject=subject, target=target, wanted=schema.grants, held=held)
    return changes


def plan_extensions(database: Database, query: Query) -> list[Change]:
    """Extensions that are missing, lie in another schema, or are older than the installed package."""
    found = catalog.read_extensions(query)
    available = {name for (name,) in query("SELECT name FROM pg_available_extensions")}
    changes = []
    for name, schema in database.extensions.items():
        if name not in available:
            raise DeclarationError(f"extension {name}: no package on this host brings it; install the package first")
        subject, target = f"extension {database.name}.{name}", quoted(name)
        if name not in found:
            sql = f"CREATE EXTENSION {target} SCHEMA {quoted(schema)}"
            changes.append(Change(subject=subject, before="absent", after=f"schema {schema}", sql=sql))
            continue
        lies_in, version, newest = found[name]
        if lies_in != schema:
            sql = f"ALTER EXTENSION {target} SET SCHEMA {quoted(schema)}"
            changes.append(Change(subject=subject, before=f"schema {lies_in}", after=f"schema {schema}", sql=sql))
        if version != newest:
            sql = f"ALTER EXTENSION {target} UPDATE"
            changes.append(Change(subject=subject, before=f"version {version}", after=f"version {newest}", sql=sql))
    return changes


def plan_functions(database: Database, query: Query) -> list[Change]:
    """Functions that are missing or defined otherwise, and who may execute them."""
    changes = []
    for function in database.functions:
        found = catalog.read_function(query, function.signature)
        subject = f"function {database.name}.{function.signature}"
        if function.body and (found is None or found[1] != _definition(function)):
            before = "absent" if found is None else "defined otherwise"
            # A changed result cannot be replaced, and nothing in the database depends on these functions.
            sql = "" if found is None else f"DROP FUNCTION {found[0]}; "
            changes.append(Change(subject=subject, before=before, after="as declared", sql=sql + _create(function)))
            found = (function.signature, "", frozenset({("PUBLIC", "EXECUTE", False)}))
        if found is None:
            raise DeclarationError(f"{subject}: it does not exist and no body is declared; correct the signature")
        target = f"FUNCTION {found[0]}"
        changes += grant_changes(subject=subject, target=target, wanted=function.grants, held=found[2])
    return changes


def plan_relations(database: Database, query: Query) -> list[Change]:
    """Privileges on the tables, views and sequences of each schema's object owner."""
    changes = []
    for schema in database.schemas:
        for relation in catalog.read_relations(query, schema.name, schema.objects_of, TABLE_KINDS):
            changes += _table_changes(schema, relation)
        for relation in catalog.read_relations(query, schema.name, schema.objects_of, SEQUENCE_KINDS):
            subject = f"sequence {schema.name}.{relation.name}"
            target = f"SEQUENCE {quoted(schema.name)}.{quoted(relation.name)}"
            changes += grant_changes(subject=subject, target=target, wanted=schema.sequences, held=relation.held)
    return changes


def plan_default_privileges(database: Database, query: Query) -> list[Change]:
    """Privileges that new objects will get; those that nobody declared are taken back."""
    found = catalog.read_default_privileges(query)
    wanted: dict[tuple[str, str, str], Grants] = {
        (role, "", "f"): frozenset() for role in database.private_functions_of
    }
    for schema in database.schemas:
        for kind, grants in (("r", schema.tables), ("S", schema.sequences), ("f", schema.functions)):
            wanted[schema.objects_of, schema.name, kind] = grants
    changes = []
    for role, schema_name, kind in sorted(wanted.keys() | found.keys()):
        key = (role, schema_name, kind)
        built_in = BUILT_IN.get(kind, frozenset()) if not schema_name else frozenset()
        held = found.get(key, frozenset((*grant, False) for grant in built_in))
        place = f" IN SCHEMA {quoted(schema_name)}" if schema_name else ""
        changes += grant_changes(
            subject=f"default privileges of {role} on {KINDS[kind].lower()} in {schema_name or 'any schema'}",
            target=KINDS[kind],
            wanted=wanted.get(key, built_in),
            held=held,
            prefix=f"ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(role)}{place} ",
        )
    return changes


def _table_changes(schema: Schema, relation: Relation) -> list[Change]:
    """Privileges of one table: the schema's rule unless an exception (the last that fits) speaks of the role."""
    subject = f"table {schema.name}.{relation.name}"
    target = f"TABLE {quoted(schema.name)}.{quoted(relation.name)}"
    fitting = {
        exception.role: exception
        for exception in schema.exceptions
        if exception.covers(relation.name, partition=relation.partition)
    }
    wanted = {grant for grant in schema.tables if grant[0] not in fitting}
    wanted_columns: set[tuple[str, str, str]] = set()
    for role, exception in fitting.items():
        if exception.except_columns:
            columns = [column for column in relation.columns if column not in exception.except_columns]
            wanted_columns |= {(role, privilege, column) for privilege in exception.privileges for column in columns}
        else:
            wanted |= {(role, privilege) for privilege in exception.privileges}
    changes = grant_changes(subject=subject, target=target, wanted=frozenset(wanted), held=relation.held)
    for column in sorted({column for *_, column in wanted_columns ^ relation.held_columns}):
        changes += grant_changes(
            subject=subject,
            target=target,
            wanted=frozenset(grant[:2] for grant in wanted_columns if grant[2] == column),
            held=frozenset((*grant[:2], False) for grant in relation.held_columns if grant[2] == column),
            columns=quoted(column),
        )
    return changes


def _owner_changes(subject: str, target: str, found: str, wanted: str) -> list[Change]:
    if found == wanted:
        return []
    sql = f"ALTER {target} OWNER TO {quoted(wanted)}"
    return [Change(subject=subject, before=f"owner {found}", after=f"owner {wanted}", sql=sql)]


def _definition(function: Function) -> str:
    """The declared definition in the words of catalog.read_function."""
    words = ("postgres", function.arguments, function.returns, "sql", "s", "t", "search_path=pg_catalog", function.body)
    return "\n".join(words)


def _create(function: Function) -> str:
    name = function.signature.partition("(")[0]
    return (
        f"CREATE FUNCTION {name}({function.arguments}) RETURNS {function.returns} LANGUAGE sql STABLE"
        f" SECURITY DEFINER SET search_path = pg_catalog AS $body$ {function.body} $body$;"
        f" ALTER FUNCTION {function.signature} OWNER TO postgres"
    )
