"""The rules as policies of Pulumi's SDK."""

import datetime
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from policy import accepted
from policy.accepted import Accepted, ExceptionsError
from policy.model import UNKNOWN, Resource, Stack
from policy.rule import Rule
from policy.rules import ALL

NAME = "freelance-platform"


def serve() -> None:
    """Serve the pack until the engine ends this process. Refuses a wrong file of exceptions."""
    try:
        exceptions = accepted.read({rule.name for rule in ALL})
    except ExceptionsError as error:
        sys.exit(f"policy pack refused:\n{error}")
    today = datetime.datetime.now(datetime.UTC).date()
    PolicyPack(NAME, [policy(rule, exceptions, today) for rule in ALL])


def policy(rule: Rule, exceptions: Sequence[Accepted], today: datetime.date) -> Policy:
    """Return one rule as the SDK's policy: of single resources before they are made, or of the whole stack."""

    def judge(stack: Stack, report: ReportViolation) -> None:
        for violation in rule(stack):
            if message := accepted.judge(violation, exceptions, today):
                report(message, violation.resource.urn)

    def one(given: ResourceValidationArgs, report: ReportViolation) -> None:
        if given.resource_type in rule.types:
            judge(Stack([resource(given)]), report)

    def whole(given: StackValidationArgs, report: ReportViolation) -> None:
        judge(Stack([resource(each) for each in given.resources]), report)

    level = EnforcementLevel(rule.level)
    if rule.types:
        return ResourceValidationPolicy(rule.name, rule.limit, one, level)
    return StackValidationPolicy(rule.name, rule.limit, whole, level)


def resource(given: ResourceValidationArgs | PolicyResource) -> Resource:
    """Return a resource as rules see it."""
    dependencies = given.property_dependencies if isinstance(given, PolicyResource) else {}
    return Resource(
        type=given.resource_type,
        name=given.name,
        urn=given.urn,
        inputs=plain(given.props),
        protect=given.opts.protect,
        parent=given.opts.parent or "",
        dependencies={key: [one.urn for one in origins] for key, origins in dependencies.items()},
    )


def plain(value: Any) -> Any:
    """Return a value of the SDK's, which raises for what a preview can't know, with UNKNOWN in such a place."""
    if isinstance(value, Mapping):
        return dict(_members(value, value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [known for _, known in _members(value, range(len(value)))]
    return value


def _members(value: Any, keys: Any) -> Iterator[tuple[Any, Any]]:
    for key in keys:
        try:
            yield key, plain(value[key])
        except UnknownValueError:
            yield key, UNKNOWN
