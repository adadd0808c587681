"""The table of IAM actions, read from actions.yml."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

import yaml

FILE = Path(__file__).with_name("actions.yml")
Kind = Literal["look", "make", "change", "anywhere"]


class UncoveredError(Exception):
    """A resource type or a lookup of which nobody has said what it needs."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """IAM actions by kind, and the services whose linked role the account needs."""

    actions: Mapping[Kind, frozenset[str]]
    linked_roles: frozenset[str]


@cache
def rows() -> Mapping[str, Mapping[str, Any]]:
    """Return the file."""
    return cast("Mapping[str, Mapping[str, Any]]", yaml.safe_load(FILE.read_text(encoding="utf-8")))


def needs(types: frozenset[str], lookups: frozenset[str], commands: Iterable[str] = ()) -> Needs:
    """Return all that these types, lookups and commands of the AWS CLI need. Raises UncoveredError."""
    missing = sorted((types - rows()["types"].keys()) | (lookups - rows()["lookups"].keys()))
    if missing:
        raise UncoveredError(f"nobody has said which permissions {', '.join(missing)} needs: add each to {FILE}")
    chosen = [rows()["types"][kind] for kind in types]
    services = {action.split(":")[0] for row in chosen for kind in get_args(Kind) for action in row.get(kind, ())}
    chosen += [row for service, row in rows()["shared"].items() if service in services]
    chosen += [{"look": rows()["lookups"][lookup]} for lookup in lookups]
    chosen += [rows()["commands"][command] for command in commands]
    return Needs(
        actions={kind: frozenset(action for row in chosen for action in row.get(kind, ())) for kind in get_args(Kind)},
        linked_roles=frozenset(row["linked_role"] for row in chosen if "linked_role" in row),
    )
