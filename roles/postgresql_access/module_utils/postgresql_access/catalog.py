"""What is there: reads the catalog of the server and of one database into plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

# Runs one query and returns its rows.
Query = Callable[..., Sequence[tuple[Any, ...]]]
Held = frozenset[tuple[str, str, bool]]  # (grantee, privilege, may be passed on)

_GRANTEE = "CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(e.grantee)::text END"
_FLAGS = "rolcanlogin, rolcreatedb, rolcreaterole, rolinherit, rolreplication, rolbypassrls"
_RELATION = "n.nspname = %s AND pg_get_userbyid(c.relowner) = %s AND c.relkind = ANY (%s)"


@dataclass(frozen=True, kw_only=True)
class FoundRole:
    """One role of the server."""

    flags: tuple[bool, ...]  # in the order of model.FLAGS
    superuser: bool
    connection_limit: int
    valid_until: str | None
    verifier: str | None


@dataclass(frozen=True, kw_only=True)
class FoundMembership:
    """One row of pg_auth_members by names."""

    role: str
    member: str
    grantor: str
    admin: bool
    inherit: bool
    set_role: bool


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A table, view or sequence with the privileges of everyone but its owner."""

    name: str
    partition: bool
    held: Held
    columns: tuple[str, ...] = ()
    held_columns: frozenset[tuple[str, str, str]] = frozenset()  # (grantee, privilege, column)


def read_roles(query: Query) -> dict[str, FoundRole]:
    """All roles but PostgreSQL's own."""
    rows = query(
        f"SELECT rolname, ARRAY[{_FLAGS}], rolsuper, rolconnlimit,"  # noqa: S608  constants only
        " nullif(rolvaliduntil, 'infinity')::text, rolpassword FROM pg_authid WHERE rolname !~ '^pg_'"
    )
    return {
        name: FoundRole(
            flags=tuple(flags), superuser=superuser, connection_limit=limit, valid_until=until, verifier=verifier
        )
        for name, flags, superuser, limit, until, verifier in rows
    }


def read_memberships(query: Query) -> list[FoundMembership]:
    """All memberships but those among PostgreSQL's own roles."""
    rows = query(
        "SELECT r.rolname, m.rolname, g.rolname, a.admin_option, a.inherit_option, a.set_option"
        " FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member"
        " JOIN pg_roles g ON g.oid = a.grantor WHERE m.rolname !~ '^pg_' ORDER BY 1, 2, 3"
    )
    return [
        FoundMembership(role=role, member=member, grantor=grantor, admin=admin, inherit=inherit, set_role=set_role)
        for role, member, grantor, admin, inherit, set_role in rows
    ]


def read_settings(query: Query) -> dict[tuple[str, str], dict[str, str]]:
    """Settings by (database, role); an empty name means all."""
    rows = query(
        "SELECT coalesce(d.datname, ''), coalesce(r.rolname, ''), s.setconfig FROM pg_db_role_setting s"
        " LEFT JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole"
    )
    return {(database, role): dict(line.split("=", 1) for line in config) for database, role, config in rows}


def read_databases(query: Query) -> dict[str, tuple[str, Held]]:
    """Owner and privileges of each database."""
    names = query("SELECT datname, pg_get_userbyid(datdba)::text FROM pg_database WHERE NOT datistemplate")
    held = query(
        f"SELECT d.datname, {_GRANTEE}, e.privilege_type, e.is_grantable FROM pg_database d,"  # noqa: S608  constants only
        " aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) e WHERE e.grantee <> d.datdba"
    )
    return {name: (owner, frozenset(tuple(row[1:]) for row in held if row[0] == name)) for name, owner in names}


def read_schema(query: Query, name: str) -> tuple[str, Held] | None:
    """Owner and privileges of a schema, or None."""
    owner = query("SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = %s", (name,))
    held = query(
        f"SELECT {_GRANTEE}, e.privilege_type, e.is_grantable FROM pg_namespace n,"  # noqa: S608  constants only
        " aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) e"
        " WHERE n.nspname = %s AND e.grantee <> n.nspowner",
        (name,),
    )
    return (owner[0][0], frozenset(tuple(row) for row in held)) if owner else None


def read_relations(query: Query, schema: str, owner: str, kinds: str) -> list[Relation]:
    """The relations of these kinds that `owner` owns in a schema."""
    scope = (schema, owner, list(kinds))
    source = f"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_RELATION}"
    names = query(f"SELECT c.relname, c.relispartition {source} ORDER BY 1", scope)
    held = query(
        f"SELECT c.relname, {_GRANTEE}, e.privilege_type, e.is_grantable FROM pg_class c"  # noqa: S608  constants only
        " JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) e"
        f" WHERE {_RELATION} AND e.grantee <> c.relowner",
        scope,
    )
    columns = query(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"  # noqa: S608  constants only
        f" JOIN pg_attribute a ON a.attrelid = c.oid WHERE {_RELATION} AND a.attnum > 0 AND NOT a.attisdropped"
        " ORDER BY c.relname, a.attnum",
        scope,
    )
    held_columns = query(
        f"SELECT c.relname, {_GRANTEE}, e.privilege_type, a.attname FROM pg_class c"  # noqa: S608  constants only
        " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid,"
        f" aclexplode(a.attacl) e WHERE {_RELATION} AND NOT a.attisdropped AND e.grantee <> c.relowner",
        scope,
    )
    held_of, columns_of, held_columns_of = _grouped(held), _grouped(columns), _grouped(held_columns)
    return [
        Relation(
            name=name,
            partition=partition,
            held=frozenset(held_of.get(name, ())),
            columns=tuple(column for (column,) in columns_of.get(name, ())),
            held_columns=frozenset(held_columns_of.get(name, ())),
        )
        for name, partition in names
    ]


def read_default_privileges(query: Query) -> dict[tuple[str, str, str], Held]:
    """Default privileges by (role, schema or '' for all, kind), without those of the role itself."""
    rows = query(
        "SELECT pg_get_userbyid(d.defaclrole)::text, coalesce(n.nspname::text, ''), d.defaclobjtype::text,"  # noqa: S608  constants only
        f" {_GRANTEE}, e.privilege_type, e.is_grantable, e.grantee = d.defaclrole FROM pg_default_acl d"
        " LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace LEFT JOIN aclexplode(d.defaclacl) e ON true"
    )
    found: dict[tuple[str, str, str], set[tuple[str, str, bool]]] = {}
    for role, schema, kind, grantee, privilege, grantable, own in rows:
        held = found.setdefault((role, schema, kind), set())
        if grantee is not None and not own:
            held.add((grantee, privilege, grantable))
    return {key: frozenset(held) for key, held in found.items()}


def read_extensions(query: Query) -> dict[str, tuple[str, str, str]]:
    """Installed extensions: schema, version, version that the installed package brings."""
    rows = query(
        "SELECT e.extname, n.nspname, e.extversion, a.default_version FROM pg_extension e"
        " JOIN pg_namespace n ON n.oid = e.extnamespace JOIN pg_available_extensions a ON a.name = e.extname"
    )
    return {name: (schema, version, default) for name, schema, version, default in rows}


def read_function(query: Query, signature: str) -> tuple[str, str, Held] | None:
    """A function as PostgreSQL names it, how it is defined, and who may execute it; None when it is missing."""
    rows = query(
        "SELECT p.oid::regprocedure::text, concat_ws(E'\\n', pg_get_userbyid(p.proowner),"
        " pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), l.lanname, p.provolatile, p.prosecdef,"
        " array_to_string(p.proconfig, ','), btrim(p.prosrc, E' \\n')) FROM pg_proc p"
        " JOIN pg_language l ON l.oid = p.prolang WHERE p.oid = to_regprocedure(%s)",
        (signature,),
    )
    held = query(
        f"SELECT {_GRANTEE}, e.privilege_type, e.is_grantable FROM pg_proc p,"  # noqa: S608  constants only
        " aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) e"
        " WHERE p.oid = to_regprocedure(%s) AND e.grantee <> p.proowner",
        (signature,),
    )
    return (rows[0][0], rows[0][1], frozenset(tuple(row) for row in held)) if rows else None


def _grouped(rows: Sequence[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    """Rows by their first column."""
    groups: dict[str, list[tuple[Any, ...]]] = {}
    for name, *rest in rows:
        groups.setdefault(name, []).append(tuple(rest))
    return groups
