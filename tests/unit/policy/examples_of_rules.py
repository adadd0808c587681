"""The examples that lie beside the rules (pulumi/policy/rules/*.yml), as stacks that rules can judge.

An example is a list of resources. Each has a type by its name in `policy.tokens` with inputs, and where it matters a
`name`, the `host` that it belongs to, `protect`, and `existing` for what AWS has made before. A text `@name` stands for
the id of another resource: known in an `up`, in a preview known by its origin alone.
"""

import copy
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "pulumi"))

from policy import model, tokens  # noqa: E402 - after the path above
from policy.model import UNKNOWN, Resource, Stack  # noqa: E402 - the same
from policy.rule import Rule  # noqa: E402 - the same
from policy.rules import ALL  # noqa: E402 - the same

FILES = sorted((ROOT / "pulumi/policy/rules").glob("*.yml"))
RULES = {rule.name: rule for rule in ALL}
OPTIONS = ("existing", "host", "name", "protect")


@dataclass(frozen=True, kw_only=True)
class Example:
    """One example of a rule."""

    rule: Rule
    passing: bool
    title: str
    resources: list[dict[str, Any]]

    @property
    def name(self) -> str:
        return f"{self.rule.name}: {'passing' if self.passing else 'failing'}: {self.title}"


def examples() -> Iterator[Example]:
    """Return the examples of all files. KeyError for one of a rule that does not exist."""
    for path in FILES:
        for rule, kinds in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            for kind, titles in kinds.items():
                for title, resources in titles.items():
                    yield Example(rule=RULES[rule], passing=kind == "passing", title=title, resources=resources)


def type_and_inputs(given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the type token of an example's resource and its inputs."""
    ((name, inputs),) = [(key, value) for key, value in given.items() if key not in OPTIONS]
    return str(getattr(tokens, name, None) or getattr(model, name)), copy.deepcopy(inputs)


def stack(resources: list[dict[str, Any]], *, preview: bool) -> Stack:
    """Return an example's resources as a preview or an `up` shows them."""
    names = [given.get("name", f"resource{number}") for number, given in enumerate(resources)]
    made = []
    for name, given in zip(names, resources, strict=True):
        kind, inputs = type_and_inputs(given)
        dependencies = {key: [urn(one) for one in references(value)] for key, value in inputs.items()}
        new = preview and not given.get("existing")
        if kind == model.STACK:
            everything_known = not preview or all("existing" in one or one is given for one in resources)
            inputs = inputs if everything_known else {"contract": UNKNOWN}
        else:
            inputs = {"arn": UNKNOWN if new else f"arn of {name}", **resolved(inputs, preview=preview)}
        made.append(
            Resource(
                type=kind,
                name=name,
                urn=urn(name),
                inputs=inputs,
                protect=given.get("protect", False),
                parent=urn(given["host"]) if "host" in given else "",
                dependencies={key: urns for key, urns in dependencies.items() if urns},
            )
        )
    return Stack(made)


def urn(name: str) -> str:
    return f"urn:pulumi:example::freelance-platform::example::{name}"


def references(value: Any) -> list[str]:
    """Return the names that a value is made of."""
    if isinstance(value, Mapping):
        return [name for member in value.values() for name in references(member)]
    if isinstance(value, list):
        return [name for member in value for name in references(member)]
    return [value[1:]] if isinstance(value, str) and value.startswith("@") else []


def resolved(value: Any, *, preview: bool) -> Any:
    """Return a value with ids for references."""
    if isinstance(value, Mapping):
        return {key: resolved(member, preview=preview) for key, member in value.items()}
    if isinstance(value, list):
        return [resolved(member, preview=preview) for member in value]
    if references(value):
        return UNKNOWN if preview else f"arn of {value[1:]}"
    return value
