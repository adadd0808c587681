"""What SQL grants and sets, altered behind the role's back: made from the declaration, an alteration for each entry.

A privilege that nothing asks for before the run has mended it is taken away, and those that its entry withholds are
given; what the run itself logs in by becomes one that may be passed on, which takes nothing from anybody.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.host import access_plan
from tests.host.environment import Environment

PRIVILEGES = {
    "TABLE": {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"},
    "SEQUENCE": {"SELECT", "UPDATE", "USAGE"},
    "FUNCTION": {"EXECUTE"},
}
CONNECTIONS_ALTERED = 77
# Of nobody's concern in any declared schema.
STRANGER = "audit_owner"
# Who is logged in as before the run comes to the roles: a standby that starts again, the poolers, the migrations.
LOGS_IN = {"freelance_migrator", "freelance_user", "backup", "pgbouncer_auth", "replicator", "rewind"}
# One of each kind that no declaration has: what is there beside it.
BESIDE = {
    "grant pg_read_all_data to freelance_staff": r"membership of freelance_staff in pg_read_all_data",
    "grant connect on database freelance_platform to stats": r"database freelance_platform: CONNECT for stats: held",
    "drop extension amcheck": r"extension \S+amcheck: absent",
}
DROPPED = {"amcheck"}


@dataclass(frozen=True)
class Difference:
    """A statement for a database and the pattern of what the role says of it; or `why` there is none."""

    database: str
    what: str
    statement: str = ""
    named: str = ""
    why: str = ""


def of(lab: Environment, leader: str) -> list[Difference]:
    """One or two for each declared thing, in the order in which they can be made."""
    wanted = access_plan.declaration(lab.declared(leader))
    main = wanted.databases[0].name
    found = [*_roles(wanted.roles, main)]
    for database in wanted.databases:
        with access_plan.catalog_of(lab, leader, database.name) as query:
            found += _database(database, query)
    return [*found, *(Difference(main, statement, statement, named) for statement, named in BESIDE.items())]


def _said(text: str) -> str:
    """The pattern of a line of the role's difference."""
    return re.escape(text)


def _roles(roles: Iterable[Any], database: str) -> Iterator[Difference]:
    for role in roles:
        name = role.name
        yield Difference(
            database,
            f"role {name}",
            f"alter role {name} createdb connection limit {CONNECTIONS_ALTERED}",
            rf"role {name}: (?=.*\bcreatedb\b).*connections {CONNECTIONS_ALTERED},",
        )
        if role.password and name in LOGS_IN:
            yield Difference(database, f"password of {name}", why="the run or a host logs in as it before it is mended")
        elif role.password:
            statement = f"alter role {name} password 'altered-behind-the-back'"
            yield Difference(database, f"password of {name}", statement, rf"role {name}: .*password set")
        for setting in role.settings:
            subject = f"setting {setting} of role {name}"
            yield Difference(database, subject, f"alter role {name} reset {setting}", _said(f"{subject}: default"))
        subject = f"setting work_mem of role {name}"
        yield Difference(database, subject, f"alter role {name} set work_mem = '1MB'", _said(f"{subject}: 1MB"))
        for entry in role.member_of:
            subject = f"membership of {name} in {entry.role}"
            yield Difference(
                database, subject, f"grant {entry.role} to {name} with admin true", _said(f"{subject}: admin true")
            )


def _database(database: Any, query: Callable[..., Any]) -> Iterator[Difference]:
    name = database.name
    subject = f"setting work_mem of database {name}"
    yield Difference(name, subject, f"alter database {name} set work_mem = '1MB'", _said(f"{subject}: 1MB"))
    yield from _passed_on(name, f"database {name}", f"database {name}", database.grants)
    for schema in database.schemas:
        yield from _schema(name, schema)
    yield from _extensions(database, query)
    for function in database.functions:
        yield from _function(name, function)
    for schema in database.schemas:
        yield from _relations(name, schema, query)
        yield from _default_privileges(name, schema)
    for owner in database.private_functions_of:
        subject = f"default privileges of {owner} on functions in any schema"
        statement = f"alter default privileges for role {owner} grant execute on functions to public"
        yield Difference(name, subject, statement, _said(f"{subject}: EXECUTE for PUBLIC: held"))


def _grouped(grants: Iterable[tuple[str, str]]) -> list[tuple[str, set[str]]]:
    """Privileges by who holds them: the role tells them in one line."""
    found: dict[str, set[str]] = {}
    for grantee, privilege in grants:
        found.setdefault(grantee, set()).add(privilege)
    return sorted(found.items())


def _listed(privileges: Iterable[str]) -> str:
    return ", ".join(sorted(privileges))


def _passed_on(database: str, subject: str, target: str, grants: Iterable[tuple[str, str]]) -> Iterator[Difference]:
    for grantee, privileges in _grouped(grants):
        listed = _listed(privileges)
        yield Difference(
            database,
            f"{listed} on {subject} for {grantee}",
            f"grant {listed} on {target} to {grantee} with grant option",
            _said(f"{subject}: {listed} for {grantee}: held with grant option"),
        )


def _taken_and_given(  # noqa: PLR0913, PLR0917 - private, called three times below
    database: str, subject: str, kind: str, on: str, grantee: str, privileges: set[str], before: str = ""
) -> Iterator[Difference]:
    """What is declared is taken away, what is withheld is given."""
    if privileges:
        listed = _listed(privileges)
        yield Difference(
            database,
            f"{listed} on {subject} taken from {grantee}",
            f"{before}revoke {listed} on {on} from {grantee}",
            _said(f"{subject}: {listed} for {grantee}: none"),
        )
    if withheld := PRIVILEGES[kind] - privileges:
        listed = _listed(withheld)
        yield Difference(
            database,
            f"{listed} on {subject} given to {grantee}",
            f"{before}grant {listed} on {on} to {grantee}",
            _said(f"{subject}: {listed} for {grantee}: held"),
        )


def _schema(database: str, schema: Any) -> Iterator[Difference]:
    subject, target = f"schema {database}.{schema.name}", f"schema {schema.name}"
    yield from _passed_on(database, subject, target, schema.grants)
    yield Difference(
        database,
        f"create in {subject}",
        f"grant create on {target} to stats",
        _said(f"{subject}: CREATE for stats: held"),
    )
    if schema.owner == "postgres":
        statement = f"alter {target} owner to {STRANGER}"
        yield Difference(database, f"owner of {subject}", statement, _said(f"{subject}: owner {STRANGER}"))
    else:
        yield Difference(
            database,
            f"owner of {subject}",
            why="its owner would not see the migrations any more, which a check asks for",
        )


def _extensions(database: Any, query: Callable[..., Any]) -> Iterator[Difference]:
    movable = dict(query("select extname, extrelocatable from pg_extension"))
    places = [schema.name for schema in database.schemas]
    for name, schema in database.extensions.items():
        subject = f"extension {database.name}.{name}"
        if name in DROPPED:
            continue
        if not movable.get(name):
            yield Difference(database.name, subject, why="it can't be moved, and dropping it drops its tables")
            continue
        other = next(place for place in places if place != schema)
        statement = f"alter extension {name} set schema {other}"
        yield Difference(database.name, subject, statement, _said(f"{subject}: schema {other}"))


def _function(database: str, function: Any) -> Iterator[Difference]:
    subject = f"function {database}.{function.signature}"
    if not function.body:
        yield from _passed_on(database, subject, f"function {function.signature}", function.grants)
        return
    statement = f"alter function {function.signature} volatile"
    yield Difference(database, subject, statement, _said(f"{subject}: defined otherwise"))
    yield Difference(
        database, f"grants of {subject}", why="a function that is defined otherwise is made anew, with its grants"
    )


def _relations(database: str, schema: Any, query: Callable[..., Any]) -> Iterator[Difference]:
    tables, sequences = access_plan.relations(schema, query)
    rules = [
        ("TABLE", "table", tables, schema.tables, schema.exceptions),
        ("SEQUENCE", "sequence", sequences, schema.sequences, ()),
    ]
    for kind, word, relations, grants, exceptions in rules:
        for grantee, privileges in _grouped(grants):
            plain = (one for one in relations if _speaks_of(exceptions, one, grantee) is None)
            if relation := next(plain, None):
                subject = f"{word} {schema.name}.{relation.name}"
                on = f"{kind} {schema.name}.{relation.name}"
                yield from _taken_and_given(database, subject, kind, on, grantee, privileges)
            else:
                yield Difference(
                    database,
                    f"{word}s of {schema.name} for {grantee}",
                    why=f"there is no {word} that this rule holds for",
                )
    for exception in schema.exceptions:
        covered = [one for one in tables if _speaks_of(schema.exceptions, one, exception.role) is exception]
        yield from _exception(database, schema.name, exception, covered)


def _speaks_of(exceptions: Iterable[Any], relation: Any, role: str) -> Any:
    """The exception that holds for a role on a relation: the last that fits; or None."""
    fitting = [
        one for one in exceptions if one.role == role and one.covers(relation.name, partition=relation.partition)
    ]
    return fitting[-1] if fitting else None


def _exception(database: str, schema: str, exception: Any, covered: list[Any]) -> Iterator[Difference]:
    role = exception.role
    if not covered:
        where = f"{exception.table}{' (partitions)' if exception.partitions_only else ''}"
        yield Difference(database, f"exception of {role} on {where}", why="there is no such table")
        return
    table = covered[0]
    subject, on = f"table {schema}.{table.name}", f"TABLE {schema}.{table.name}"
    if not exception.except_columns:
        yield from _taken_and_given(database, subject, "TABLE", on, role, set(exception.privileges))
        return
    for privilege in sorted(exception.privileges):
        kept = next(column for column in table.columns if column not in exception.except_columns)
        for column, verb, state in [
            (kept, "revoke", "none"),
            *((column, "grant", "held") for column in sorted(exception.except_columns)),
        ]:
            preposition = "from" if verb == "revoke" else "to"
            yield Difference(
                database,
                f"{verb} {privilege} ({column}) on {subject} {preposition} {role}",
                f'{verb} {privilege} ("{column}") on {on} {preposition} {role}',
                _said(f'{subject}: {privilege} ("{column}") for {role}: {state}'),
            )


def _default_privileges(database: str, schema: Any) -> Iterator[Difference]:
    for kind, grants in (("TABLE", schema.tables), ("SEQUENCE", schema.sequences), ("FUNCTION", schema.functions)):
        subject = f"default privileges of {schema.objects_of} on {kind.lower()}s in {schema.name}"
        before = f"alter default privileges for role {schema.objects_of} in schema {schema.name} "
        for grantee, privileges in _grouped(grants):
            yield from _taken_and_given(database, subject, kind, f"{kind}S", grantee, privileges, before)
