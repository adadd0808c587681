"""The difference between declaration and server for what the whole cluster shares: roles, memberships, settings."""

from __future__ import annotations

import re

from . import catalog, scram
from .catalog import FoundRole, Query
from .changes import Change, literal, quoted
from .model import FLAGS, Declaration, DeclarationError, Role

SETTING = re.compile(r"[a-z_]+(\.[a-z_]+)?")


def plan_roles(declaration: Declaration, query: Query) -> list[Change]:
    """Roles that are missing or have other attributes, limits or passwords."""
    found = catalog.read_roles(query)
    changes = []
    for role in declaration.roles:
        # PostgreSQL writes a time in its own way: let it write the declared one too.
        until = query("SELECT %s::timestamptz::text", (role.valid_until,))[0][0] if role.valid_until else None
        wanted, have = _wanted(role, until), found.get(role.name)
        same_password = have is not None and _same_password(role, have)
        before = "absent" if have is None else _described(have)
        after = _described(wanted)
        if have is None or not same_password:
            after += ", password set" if role.password else ", no password"
        if before == after:
            continue
        words = [flag if on else f"no{flag}" for flag, on in zip(FLAGS, wanted.flags, strict=True)]
        sql = f"{'CREATE' if have is None else 'ALTER'} ROLE {quoted(role.name)} WITH NOSUPERUSER {' '.join(words)}"
        sql += f" CONNECTION LIMIT {wanted.connection_limit} VALID UNTIL {literal(until or 'infinity')}"
        if not same_password:
            sql += f" PASSWORD {literal(scram.build_verifier(role.password)) if role.password else 'NULL'}"
        changes.append(Change(subject=f"role {role.name}", before=before, after=after, sql=sql))
    return changes


def plan_memberships(declaration: Declaration, query: Query) -> list[Change]:
    """Memberships of and in declared roles: extra ones are revoked, whoever granted them."""
    declared = {role.name for role in declaration.roles}
    missing = {(entry.role, role.name): entry for role in declaration.roles for entry in role.member_of}
    changes = []
    for row in catalog.read_memberships(query):
        if not {row.role, row.member} & declared:
            continue
        options = f"admin {row.admin}, inherit {row.inherit}, set {row.set_role}".lower()
        wanted = missing.get((row.role, row.member))
        if wanted and (row.admin, row.inherit, row.set_role) == (False, wanted.inherit, wanted.set_role):
            del missing[row.role, row.member]
            continue
        sql = f"REVOKE {quoted(row.role)} FROM {quoted(row.member)} GRANTED BY {quoted(row.grantor)} CASCADE"
        changes.append(
            Change(subject=f"membership of {row.member} in {row.role}", before=options, after="none", sql=sql)
        )
    for (role, member), entry in missing.items():
        options = f"ADMIN FALSE, INHERIT {entry.inherit}, SET {entry.set_role}"
        sql = f"GRANT {quoted(role)} TO {quoted(member)} WITH {options}"
        subject = f"membership of {member} in {role}"
        changes.append(Change(subject=subject, before="none", after=options.lower(), sql=sql))
    return changes


def plan_settings(declaration: Declaration, query: Query) -> list[Change]:
    """Settings of declared roles and databases; what is not declared is reset."""
    wanted = {("", role.name): dict(role.settings) for role in declaration.roles}
    declared_roles = {role.name for role in declaration.roles}
    declared_databases = {database.name for database in declaration.databases}
    found = catalog.read_settings(query)
    for database, role in found:
        if role in declared_roles or (not role and database in declared_databases):
            wanted.setdefault((database, role), {})
    changes = []
    for (database, role), settings in sorted(wanted.items()):
        have = found.get((database, role), {})
        target = f"ROLE {quoted(role)}" if role else f"DATABASE {quoted(database)}"
        target += f" IN DATABASE {quoted(database)}" if role and database else ""
        for name in sorted(settings.keys() | have.keys()):
            if settings.get(name) == have.get(name):
                continue
            if not SETTING.fullmatch(name):
                raise DeclarationError(f"setting {name!r} of {target}: not a parameter's name; correct it")
            value = f"SET {name} TO {literal(settings[name])}" if name in settings else f"RESET {name}"
            changes.append(
                Change(
                    subject=f"setting {name} of {target.replace(chr(34), '').lower()}",
                    before=have.get(name, "default"),
                    after=settings.get(name, "default"),
                    sql=f"ALTER {target} {value}",
                )
            )
    return changes


def undeclared_roles(declaration: Declaration, query: Query) -> list[str]:
    """Roles that nobody declared: reported, never dropped (they may own things)."""
    return sorted(catalog.read_roles(query).keys() - {role.name for role in declaration.roles} - {"postgres"})


def _wanted(role: Role, until: str | None) -> FoundRole:
    return FoundRole(
        flags=tuple(role.flags[flag] for flag in FLAGS),
        superuser=False,
        connection_limit=role.connection_limit,
        valid_until=until,
        verifier=None,
    )


def _same_password(role: Role, found: FoundRole) -> bool:
    return scram.is_verifier_of(role.password, found.verifier) if role.password else found.verifier is None


def _described(role: FoundRole) -> str:
    words = [flag for flag, on in zip(FLAGS, role.flags, strict=True) if on]
    words = (["SUPERUSER"] if role.superuser else []) + words
    limit = "unlimited" if role.connection_limit < 0 else str(role.connection_limit)
    return f"{' '.join(words) or 'no attribute'}, connections {limit}, valid until {role.valid_until or 'infinity'}"
