"""What is declared: roles and databases, parsed from the role's variables and checked before anything is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")  # 63 bytes: NAMEDATALEN - 1.
PREDEFINED = re.compile(r"pg_[a-z_]+")
FLAGS = ("login", "createdb", "createrole", "inherit", "replication", "bypassrls")
TABLE_PRIVILEGES = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})  # TRUNCATE is granted to nobody.
SEQUENCE_PRIVILEGES = frozenset({"SELECT", "USAGE"})

Grants = frozenset[tuple[str, str]]  # (grantee, privilege)


class DeclarationError(ValueError):
    """The declared state is wrong: the message names value, limit and remedy."""


def checked_name(value: object, what: str) -> str:
    """Return the name of a role, database, schema …, or refuse it."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise DeclarationError(
            f"{what} {value!r}: a name is 1 to 63 characters of a-z, 0-9 and _, not starting with a digit; rename it"
        )
    return value


def as_setting(value: object) -> str:
    """Return a setting's value as PostgreSQL stores it (YAML reads on/off as booleans)."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


@dataclass(frozen=True, kw_only=True)
class Membership:
    """`role` is granted to the role that declares it."""

    role: str
    inherit: bool = True
    set_role: bool = True


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role that must exist exactly so. It is never a superuser."""

    name: str
    flags: Mapping[str, bool]
    connection_limit: int = -1
    password: str | None = None
    valid_until: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    member_of: tuple[Membership, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TableException:
    """Tables (by pattern) on which one role has other privileges than the schema's rule gives."""

    table: str
    role: str
    privileges: frozenset[str]
    except_columns: frozenset[str] = frozenset()
    partitions_only: bool = False

    def covers(self, table: str, *, partition: bool) -> bool:
        """Tell whether the exception speaks of this table."""
        return fnmatchcase(table, self.table) and (partition or not self.partitions_only)


@dataclass(frozen=True, kw_only=True)
class Schema:
    """A schema, its owner, and what others may do with objects that `objects_of` owns in it."""

    name: str
    owner: str
    objects_of: str
    grants: Grants = frozenset()
    tables: Grants = frozenset()
    sequences: Grants = frozenset()
    functions: Grants = frozenset()
    exceptions: tuple[TableException, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function by signature: who may execute it and, with a body, how it must be defined."""

    signature: str
    grants: Grants = frozenset()
    arguments: str = ""
    returns: str = ""
    body: str = ""


@dataclass(frozen=True, kw_only=True)
class Database:
    """A database and everything in it that is access."""

    name: str
    owner: str
    grants: Grants = frozenset()
    extensions: Mapping[str, str] = field(default_factory=dict)  # name -> schema
    schemas: tuple[Schema, ...] = ()
    functions: tuple[Function, ...] = ()
    private_functions_of: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """All of it."""

    roles: tuple[Role, ...]
    databases: tuple[Database, ...]


def parse(
    roles: Iterable[Mapping[str, Any]], databases: Iterable[Mapping[str, Any]], passwords: Mapping[str, str]
) -> Declaration:
    """Build the declaration from the role's variables; raises DeclarationError."""
    parsed = tuple(_role(item, passwords) for item in roles)
    names = [role.name for role in parsed]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise DeclarationError(f"roles declared twice: {', '.join(doubled)}; keep one of each")
    if unknown := sorted(set(passwords) - set(names)):
        raise DeclarationError(f"passwords for roles that are not declared: {', '.join(unknown)}")
    declaration = Declaration(roles=parsed, databases=tuple(_database(item) for item in databases))
    known = {*names, "postgres", "PUBLIC"}
    if strangers := sorted(
        {name for name in _mentioned(declaration) if name not in known and not PREDEFINED.match(name)}
    ):
        raise DeclarationError(f"privileges for roles that are not declared: {', '.join(strangers)}; declare them")
    return declaration


def _role(item: Mapping[str, Any], passwords: Mapping[str, str]) -> Role:
    name = checked_name(item.get("name"), "role")
    if name == "postgres" or name.startswith("pg_"):
        raise DeclarationError(f"role {name!r}: the cluster's own roles are not managed here; take it from the list")
    flags = {flag: bool(item.get(flag, flag == "inherit")) for flag in FLAGS}
    password = passwords.get(name)
    if flags["login"] and not password:
        raise DeclarationError(f"role {name!r} may log in but has no password; give one or set login to false")
    return Role(
        name=name,
        flags=flags,
        connection_limit=int(item.get("connection_limit", -1)),
        password=password if flags["login"] else None,
        valid_until=item.get("valid_until") or None,
        settings={key: as_setting(value) for key, value in (item.get("settings") or {}).items()},
        member_of=tuple(
            Membership(
                role=checked_name(entry["role"], "membership of"),
                inherit=bool(entry.get("inherit", True)),
                set_role=bool(entry.get("set", True)),
            )
            for entry in item.get("member_of") or ()
        ),
    )


def _database(item: Mapping[str, Any]) -> Database:
    owner = checked_name(item["owner"], "database owner")
    connect = frozenset((role, "CONNECT") for role in item.get("connect") or ())
    return Database(
        name=checked_name(item.get("name"), "database"),
        owner=owner,
        grants=(connect | frozenset((role, "TEMPORARY") for role in item.get("temporary") or ())),
        extensions={entry["name"]: entry.get("schema") or "public" for entry in item.get("extensions") or ()},
        schemas=tuple(_schema(entry) for entry in item.get("schemas") or ()),
        functions=tuple(_function(entry) for entry in item.get("functions") or ()),
        private_functions_of=tuple(item.get("private_functions_of") or ()),
    )


def _schema(item: Mapping[str, Any]) -> Schema:
    owner = checked_name(item["owner"], "schema owner")
    usage = frozenset((role, "USAGE") for role in item.get("usage") or ())
    return Schema(
        name=checked_name(item.get("name"), "schema"),
        owner=owner,
        objects_of=item.get("objects_of") or owner,
        grants=usage | frozenset((role, "CREATE") for role in item.get("create") or ()),
        tables=_grants(item.get("tables"), TABLE_PRIVILEGES, "tables"),
        sequences=_grants(item.get("sequences"), SEQUENCE_PRIVILEGES, "sequences"),
        functions=frozenset((role, "EXECUTE") for role in item.get("execute") or ()),
        exceptions=tuple(_exception(entry) for entry in item.get("table_exceptions") or ()),
    )


def _exception(item: Mapping[str, Any]) -> TableException:
    privileges = frozenset(privilege for _, privilege in _grants([item], TABLE_PRIVILEGES, "table_exceptions"))
    return TableException(
        table=item["table"],
        role=item["role"],
        privileges=privileges,
        except_columns=frozenset(item.get("except_columns") or ()),
        partitions_only=bool(item.get("partitions_only", False)),
    )


def _function(item: Mapping[str, Any]) -> Function:
    grants = frozenset((role, "EXECUTE") for role in item.get("execute") or ())
    return Function(
        signature=item["signature"],
        grants=grants,
        arguments=item.get("arguments") or "",
        returns=item.get("returns") or "",
        body=(item.get("body") or "").strip(),
    )


def _grants(entries: Iterable[Mapping[str, Any]] | None, allowed: frozenset[str], where: str) -> Grants:
    grants: set[tuple[str, str]] = set()
    for entry in entries or ():
        if refused := sorted(set(entry.get("privileges") or ()) - allowed):
            raise DeclarationError(
                f"{where}: {', '.join(refused)} for {entry['role']}: only {', '.join(sorted(allowed))} may be granted"
            )
        grants.update((entry["role"], privilege) for privilege in entry.get("privileges") or ())
    return frozenset(grants)


def _mentioned(declaration: Declaration) -> set[str]:
    names = {membership.role for role in declaration.roles for membership in role.member_of}
    for database in declaration.databases:
        names |= {database.owner, *database.private_functions_of} | {grantee for grantee, _ in database.grants}
        names |= {grantee for function in database.functions for grantee, _ in function.grants}
        for schema in database.schemas:
            names |= {schema.owner, schema.objects_of} | {exception.role for exception in schema.exceptions}
            for grants in (schema.grants, schema.tables, schema.sequences, schema.functions):
                names |= {grantee for grantee, _ in grants}
    return names
