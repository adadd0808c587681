"""What a rule is: a function that finds violations, with the controls it holds, its limit and its remedy."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from policy.model import Resource, Stack

Level = Literal["mandatory", "advisory"]
OURS = "platform"  # a control of no catalogue: the platform's own
OfResource = Callable[[Resource], Iterator[str]]
OfStack = Callable[[Stack], Iterator[tuple[Resource, str]]]


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One finding of a rule."""

    rule: "Rule"
    resource: Resource
    found: str

    def __str__(self) -> str:
        """What the engine prints after the limit, which is the policy's description."""
        return f"{self.resource.name}: {self.found}. {self.rule.remedy} [{' '.join(self.rule.controls)}]"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule. `limit`: the sentence that must hold; `remedy`: the sentence that says what to do.

    `types`: the resource types that it judges one by one, before each is made; without any it judges the whole stack.
    """

    name: str
    controls: Sequence[str]
    level: Level
    limit: str
    remedy: str
    types: Sequence[str]
    find: OfStack

    def __call__(self, stack: Stack) -> Iterator[Violation]:
        """Find the violations in these resources."""
        for resource, found in self.find(stack):
            yield Violation(rule=self, resource=resource, found=found)


def resource_rule(
    *types: str, controls: Sequence[str], remedy: str, level: Level = "mandatory"
) -> Callable[[OfResource], Rule]:
    """Make a rule of a function that says what is wrong with one resource; its docstring is the limit."""

    def make(function: OfResource) -> Rule:
        def find(stack: Stack) -> Iterator[tuple[Resource, str]]:
            for resource in stack.of_type(*types):
                for found in function(resource):
                    yield resource, found

        return Rule(controls=controls, level=level, remedy=remedy, types=types, find=find, **_named(function))

    return make


def stack_rule(*, controls: Sequence[str], remedy: str, level: Level = "mandatory") -> Callable[[OfStack], Rule]:
    """Make a rule of a function that says what is wrong with which resource of a stack; its docstring is the limit."""

    def make(function: OfStack) -> Rule:
        return Rule(controls=controls, level=level, remedy=remedy, types=(), find=function, **_named(function))

    return make


def _named(function: OfResource | OfStack) -> dict[str, str]:
    limit = " ".join((function.__doc__ or "").split())
    return {"name": function.__name__.replace("_", "-"), "limit": limit}
