"""Each rule with its own examples: what passes, what fails, and what a preview does not know yet."""

import typing
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from examples_of_rules import RULES, Example, examples, stack, type_and_inputs
from policy import tokens
from policy.model import STACK, UNKNOWN, Stack
from pulumi import _types as names_of_the_sdk  # nothing public tells a resource's properties

EXAMPLES = list(examples())
PASSING = [example for example in EXAMPLES if example.passing]
MOMENTS = pytest.mark.parametrize("preview", [True, False], ids=["preview", "up"])


def named(some: list[Example]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("example", some, ids=[example.name for example in some])


def test_each_rule_has_an_example_that_passes_and_one_that_fails() -> None:
    for passing in (True, False):
        lacking = set(RULES) - {example.rule.name for example in EXAMPLES if example.passing is passing}
        assert not lacking, f"{'passing' if passing else 'failing'} examples are missing"


@MOMENTS
@named(PASSING)
def test_what_is_right_passes(example: Example, preview: bool) -> None:
    assert list(map(str, example.rule(stack(example.resources, preview=preview)))) == []


@MOMENTS
@named([example for example in EXAMPLES if not example.passing])
def test_what_is_wrong_is_found_and_named(example: Example, preview: bool) -> None:
    judged = stack(example.resources, preview=preview)
    violations = list(example.rule(judged))
    assert violations
    for violation in violations:
        message = str(violation)
        assert violation.resource in judged.resources
        assert message.startswith(f"{violation.resource.name}: {violation.found}. ")
        assert example.rule.remedy in message
        assert all(control in message for control in example.rule.controls)


@named(PASSING)
def test_what_a_preview_does_not_know_is_no_violation(example: Example) -> None:
    known = stack(example.resources, preview=False)
    for place, resource in enumerate(known.resources):
        for path, blurred in blurs(resource.inputs):
            for dependencies in (resource.dependencies, without(resource.dependencies, path)):
                others = list(known.resources)
                others[place] = replace(resource, inputs=blurred, dependencies=dependencies)
                assert list(map(str, example.rule(Stack(others)))) == [], f"{resource.name}.{path} not known"


def without(dependencies: Mapping[str, Sequence[str]], path: str) -> dict[str, Sequence[str]]:
    """Return the dependencies but those of the input that a path leads into: its origin is not known either."""
    return {key: origins for key, origins in dependencies.items() if key != path.partition(".")[0]}


def blurs(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Return copies of a value in each of which one part is not known."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield f"{path}{key}", {**value, key: UNKNOWN}
            yield from ((inner, {**value, key: blurred}) for inner, blurred in blurs(member, f"{path}{key}."))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for place, member in enumerate(value):
            head, tail = list(value[:place]), list(value[place + 1 :])
            yield f"{path}{place}", [*head, UNKNOWN, *tail]
            yield from ((inner, [*head, blurred, *tail]) for inner, blurred in blurs(member, f"{path}{place}."))


def test_a_user_data_that_holds_a_secret_is_not_repeated() -> None:
    failing = [e for e in EXAMPLES if e.rule.name == "ec2-no-secret-in-user-data" and not e.passing]
    messages = [str(violation) for e in failing for violation in e.rule(stack(e.resources, preview=False))]
    assert len(messages) == len(failing)
    assert not [message for message in messages if "correct-horse" in message or "AKIA" in message]


def test_a_rule_judges_one_resource_before_it_is_made_wherever_it_can() -> None:
    """A rule of a whole stack speaks only at the end of a run; those that need one name more than one resource."""
    assert {name for name, rule in RULES.items() if rule.types}.isdisjoint({"s3-versioned", "network-flow-logs"})
    assert sum(bool(rule.types) for rule in RULES.values()) > len(RULES) / 2


def test_examples_name_properties_that_the_provider_has() -> None:
    wrong = []
    for example in EXAMPLES:
        for given in example.resources:
            kind, inputs = type_and_inputs(given)
            if kind != STACK:
                wrong += [f"{example.name}: {path}" for path in unknown_names(inputs, properties(resource_class(kind)))]
    assert not wrong


def test_exactly_the_types_that_take_tags_are_asked_for_them() -> None:
    types = {value for value in vars(tokens).values() if isinstance(value, str) and value.startswith("aws:")}
    types |= set(tokens.TAGGED) | {kind for rule in RULES.values() for kind in rule.types}
    assert {kind for kind in types if "tags" in properties(resource_class(kind))} == set(tokens.TAGGED)


def resource_class(token: str) -> type:
    """Return the class of a type token, such as `aws:ec2/instance:Instance`."""
    _, module, name = token.split(":")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the package warns of its own old modules
        found: type = getattr(import_module(f"pulumi_aws.{module.split('/', maxsplit=1)[0]}"), name)
    return found


def properties(cls: type) -> dict[str, Any]:
    """Return the properties of a resource or of an object in one, by the provider's names."""
    if hasattr(cls, "_internal_init"):
        return dict(names_of_the_sdk.resource_types(cls))
    return dict(names_of_the_sdk.output_type_types(cls)) if names_of_the_sdk.is_output_type(cls) else {}


def unknown_names(value: Any, known: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Return the paths of a value that its type has no property for."""
    for key, member in value.items():
        if key not in known:
            yield path + key
            continue
        cls = names_of_the_sdk.unwrap_type(known[key])
        while typing.get_origin(cls) in (list, Sequence):
            cls = names_of_the_sdk.unwrap_type(typing.get_args(cls)[0])
        if isinstance(cls, type) and names_of_the_sdk.is_output_type(cls):
            for one in member if isinstance(member, list) else [member]:
                yield from unknown_names(one, properties(cls), f"{path}{key}.")
