"""What a stack's month is made of: each resource that it declares, counted, and summed by component.

A type that is neither free nor counted stops the estimate: nobody has decided whether it costs something.
"""

import re
from collections import Counter
from dataclasses import dataclass

from dry_run import Declaration

from cost.assumptions import Assumptions
from cost.counting import BILLED, Stack, lines
from cost.free import FREE


class UnknownTypeError(Exception):
    """A resource type without a decision about its cost."""


@dataclass(frozen=True, kw_only=True)
class Charge:
    """`quantity` units of the price `key` in a month; `assumed`: it comes from an assumption, not the program."""

    component: str
    item: str
    key: str
    region: str
    quantity: float
    assumed: bool = False


def component_of(owner: str) -> str:
    """Return the component in whose sum an owner's resources go: db1, db2 and db3 are `db`."""
    return re.sub(r"(?<![-\d])\d+$", "", owner)  # a region keeps its number: backup-eu-west-1


def charges(declaration: Declaration, assume: Assumptions) -> list[Charge]:
    """Return what a month of the stack is made of. Raises UnknownTypeError for a type without a decision."""
    unknown = sorted(declaration.types - FREE.keys() - BILLED.keys())
    if unknown:
        raise UnknownTypeError(
            f"nobody has decided what {', '.join(unknown)} costs: add each to FREE (pulumi/cost/free.py) or to BILLED "
            "(pulumi/cost/counting.py)"
        )
    counts = Counter(resource.type for resource in declaration.resources)
    stack = Stack(settings=declaration.settings, aws=declaration.aws, assume=assume, counts=counts)
    summed: dict[tuple[str, str, str, str, bool], float] = {}
    for resource in declaration.resources:
        for item, key, quantity, assumed in lines(resource, stack):
            row = (component_of(resource.owner), item, key, stack.priced_in(key, resource), assumed)
            summed[row] = summed.get(row, 0) + quantity
    traffic = assume.cross_zone_gib(declaration.settings)
    # Source: EC2 pricing page, "Data transfer within the same Region": charged in each direction.
    summed[("traffic", "between zones, both directions", "zone_traffic.gib", declaration.aws.region, True)] = (
        2 * traffic
    )
    return [
        Charge(component=component, item=item, key=key, region=region, quantity=quantity, assumed=assumed)
        for (component, item, key, region, assumed), quantity in summed.items()
        if quantity
    ]
