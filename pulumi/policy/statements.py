"""Policy documents of AWS: their statements with every field that may be one value or a list as a list."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policy.model import elements

# Conditions that bind a statement for everybody to known accounts.
# Source: IAM user guide, "The meaning of public" for resource policies.
BINDING_CONDITIONS = {
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:resourceaccount",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "kms:calleraccount",
}


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement. `principals` are the values of all kinds, `*` for everybody."""

    sid: str
    allows: bool
    actions: Sequence[str]
    resources: Sequence[str]
    principals: Sequence[str]
    condition: Mapping[str, Mapping[str, Any]]
    inverted: bool  # says what is not meant: NotAction, NotResource, NotPrincipal

    @property
    def for_everybody(self) -> bool:
        """Whether it allows something to whoever comes, from any account."""
        # What is said by exclusion, or only of requests that bring the key, binds nobody.
        binding = [test for test in self.condition if not any(word in test for word in ("Not", "Null", "IfExists"))]
        keys = {key.lower() for test in binding for key in self.condition[test]}
        return self.allows and "*" in self.principals and not keys & BINDING_CONDITIONS


def statements(document: Any) -> Iterator[Statement]:
    """Return the statements of a document; of nothing or one that a preview doesn't know: none."""
    parsed = json.loads(document) if isinstance(document, str) and document else document
    if not isinstance(parsed, Mapping):
        return
    for number, given in enumerate(elements(parsed.get("Statement")), start=1):
        allows = given.get("Effect") == "Allow"
        # Who is allowed by naming others is everybody else.
        principal = given.get("Principal") or ("*" if allows and "NotPrincipal" in given else None)
        kinds = principal.values() if isinstance(principal, Mapping) else elements(principal)
        yield Statement(
            sid=given.get("Sid") or f"number {number}",
            allows=allows,
            actions=elements(given.get("Action")),
            resources=elements(given.get("Resource")),
            principals=tuple(one for kind in kinds for one in elements(kind)),
            condition=given.get("Condition") or {},
            inverted=any(f"Not{part}" in given for part in ("Action", "Resource", "Principal")),
        )


def for_everybody(document: Any) -> Iterator[str]:
    """Say which statements of a document are for whoever comes."""
    for statement in statements(document):
        if statement.for_everybody:
            yield f"statement {statement.sid} allows {', '.join(statement.actions)} to everybody"


def includes(action: str, wanted: Collection[str]) -> bool:
    """Whether an action, by a wildcard at its end too, includes one of those, which are in small letters."""
    head, star, _ = action.lower().partition("*")
    return any(name.startswith(head) if star else name == head for name in wanted)
