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

    `types` are the resource types that it judges one by one, before each is made; without any it judges the whole stack.
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

        return _rule(function, find, controls, remedy, level, types)

    return make


def stack_rule(*, controls: Sequence[str], remedy: str, level: Level = "mandatory") -> Callable[[OfStack], Rule]:
    """Make a rule of a function that says what is wrong with which resource of a stack; its docstring is the limit."""
    return lambda function: _rule(function, function, controls, remedy, level, ())


def _rule(  # noqa: PLR0913 - a rule has this many parts
    function: OfResource | OfStack,
    find: OfStack,
    controls: Sequence[str],
    remedy: str,
    level: Level,
    types: Sequence[str],
) -> Rule:
    return Rule(
        name=function.__name__.replace("_", "-"),
        controls=controls,
        level=level,
        limit=" ".join((function.__doc__ or "").split()),
        remedy=remedy,
        types=types,
        find=find,
    )
