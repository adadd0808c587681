"""A change and the ways to write one: quoting, grants, revokes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .catalog import Held
from .model import Grants


@dataclass(frozen=True, kw_only=True)
class Change:
    """One statement with what it is about. Only `sql` may hold a verifier; it is never shown."""

    subject: str
    before: str
    after: str
    sql: str


def quoted(name: str) -> str:
    """Quote an identifier; PUBLIC is a keyword."""
    return name if name == "PUBLIC" else '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Quote a string constant (standard_conforming_strings is on since 9.1)."""
    return "'" + value.replace("'", "''") + "'"


def grant_changes(  # noqa: PLR0913  one call site per kind of object, all by keyword
    *, subject: str, target: str, wanted: Grants, held: Held, prefix: str = "", columns: str = ""
) -> list[Change]:
    """Revoke what is held and not wanted, then grant what is missing, one statement per grantee.

    `target` is the object after ON, `prefix` stands before GRANT and REVOKE (default privileges), `columns` is a
    column list. The owner's own privileges are not part of `held`.
    """
    have = {(grantee, privilege) for grantee, privilege, _ in held}
    passed_on = {(grantee, privilege) for grantee, privilege, grantable in held if grantable} & wanted
    changes = [
        _change(
            subject, grantee, privileges, "held", "none", f"{prefix}REVOKE %s ON {target} FROM %s{cascade}", columns
        )
        for cascade in ["" if prefix else " CASCADE"]
        for grantee, privileges in _by_grantee(have - wanted)
    ]
    changes += [
        _change(
            subject,
            grantee,
            privileges,
            "held with grant option",
            "held",
            f"{prefix}REVOKE GRANT OPTION FOR %s ON {target} FROM %s{'' if prefix else ' CASCADE'}",
            columns,
        )
        for grantee, privileges in _by_grantee(passed_on)
    ]
    changes += [
        _change(subject, grantee, privileges, "none", "held", f"{prefix}GRANT %s ON {target} TO %s", columns)
        for grantee, privileges in _by_grantee(wanted - have)
    ]
    return changes


def _change(  # noqa: PLR0913, PLR0917  private and called three times above
    subject: str, grantee: str, privileges: list[str], before: str, after: str, template: str, columns: str
) -> Change:
    names = ", ".join(privileges)
    what = f"{names}{f' ({columns})' if columns else ''} for {grantee}"
    listed = ", ".join(f"{privilege}{f' ({columns})' if columns else ''}" for privilege in privileges)
    return Change(
        subject=subject, before=f"{what}: {before}", after=f"{what}: {after}", sql=template % (listed, quoted(grantee))
    )


def _by_grantee(grants: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    grouped: dict[str, list[str]] = {}
    for grantee, privilege in sorted(grants):
        grouped.setdefault(grantee, []).append(privilege)
    return sorted(grouped.items())
