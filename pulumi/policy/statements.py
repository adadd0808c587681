"""Policy documents of AWS: their statements with every field that may be one value or a list as a list."""

import json
import re
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
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "kms:calleraccount",
}
# In the policy of an endpoint it binds to what lies in known accounts; in a resource's own policy it is always true.
RESOURCE_ACCOUNT = "aws:resourceaccount"
# Tests that say what is not meant, or that a request passes which does not bring the key.
LOOSE_TESTS = ("ForAllValues", "IfExists", "Not", "Null")
ARN_PARTS = 6
NAMED_LOG_GROUP = re.compile(r":log-group:(?!\*:)[^:]+:\*$")  # its streams


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

    def for_everybody(self, *more: str) -> bool:
        """Whether it allows something to whoever comes, from any account; `more` are conditions that bind too."""
        binding = BINDING_CONDITIONS.union(more)
        bound = any(
            key.lower() in binding and all(is_fixed(value) for value in elements(values))
            for test, keys in self.condition.items()
            if not any(word in test for word in LOOSE_TESTS)
            for key, values in keys.items()
        )
        return self.allows and "*" in self.principals and not bound

    @property
    def everything(self) -> Sequence[str]:
        """The resources of it that name no one: `*`, and ARNs that end in nothing but that."""
        return [resource for resource in self.resources if names_no_one(resource)]


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
        if statement.for_everybody():
            yield f"statement {statement.sid} allows {', '.join(statement.actions)} to everybody"


def is_fixed(value: str) -> bool:
    """Whether a condition's value stands for known accounts. An ARN does by its account, one without it by its name."""
    parts = value.split(":", ARN_PARTS - 1)
    if parts[0] == "arn" and len(parts) == ARN_PARTS:
        value = parts[4] or re.split(r"[*?$]", parts[5])[0]
    return bool(value) and not set(value) & set("*?$")


def names_no_one(resource: str) -> bool:
    """Whether a resource is any one: its last part is only `*`, but for the streams of a named log group."""
    last = resource.rsplit(":", 1)[-1]
    return "*" in last and set(last) <= set("*/") and not NAMED_LOG_GROUP.search(resource)


def includes(action: str, wanted: Collection[str]) -> bool:
    """Whether an action, by a wildcard at its end too, includes one of those, which are in small letters."""
    head, star, _ = action.lower().partition("*")
    return any(name.startswith(head) if star else name == head for name in wanted)
