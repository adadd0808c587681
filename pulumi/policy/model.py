"""Resources as rules see them: inputs by the provider's names (camelCase), what a preview can't know marked as such."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final


class Unknown(Enum):
    """The one value that a preview can't know yet; it neither violates a rule nor satisfies a search for violations."""

    VALUE = "not known in a preview"


UNKNOWN: Final = Unknown.VALUE
STACK = "pulumi:pulumi:Stack"
# Inputs that their resources give out again under the same name, each naming a resource that it belongs to.
CARRIERS = ("bucket", "subnetId", "vpcId")
IDENTITIES = ("arn", "bucket", "id", "name")  # outputs by which one resource is named in another's inputs


def look_up(value: Any, path: str) -> Any:
    """Return what lies at a dotted path; None where nothing does, UNKNOWN from the first part that isn't known."""
    for key in path.split("."):
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def elements(value: Any) -> tuple[Any, ...]:
    """Return the members of a list, or the one member that is given without a list; of nothing or an unknown: none."""
    if value is None or value is UNKNOWN:
        return ()
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)


def has_unknown(value: Any) -> bool:
    """Whether a part of a value isn't known yet."""
    if isinstance(value, Mapping):
        return any(map(has_unknown, value.values()))
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return value is UNKNOWN or (listed and any(map(has_unknown, value)))


def shown(value: Any) -> str:
    """Return a value as a message names it."""
    return "not set" if value is None else repr(value)


def differs(value: Any, path: str, *allowed: Any) -> Iterator[str]:
    """Say what lies at the path of a resource or an object in it, unless it is allowed or not known yet."""
    found = look_up(value.inputs if isinstance(value, Resource) else value, path)
    if found is not UNKNOWN and found not in allowed:
        yield f"{path} is {shown(found)}"


def missing(value: Any, path: str) -> Iterator[str]:
    """Say that nothing lies at the path, or something empty."""
    found = look_up(value.inputs if isinstance(value, Resource) else value, path)
    if found is not UNKNOWN and not found:
        yield f"{path} is {shown(found)}"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource. `dependencies`: for each input the URNs of the resources whose outputs it is made of."""

    type: str
    name: str
    urn: str
    inputs: Mapping[str, Any]
    protect: bool = False
    parent: str = ""
    dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def get(self, path: str) -> Any:
        """Return the value at a dotted path, see `look_up`."""
        return look_up(self.inputs, path)

    def names_clearly(self, key: str) -> bool:
        """Whether it is known which resource an input names: by its value or by its origin."""
        return not has_unknown(self.get(key)) or bool(self.dependencies.get(key))

    @property
    def names(self) -> list[str]:
        """What other resources know it by, as far as it is known."""
        return [self.inputs[name] for name in IDENTITIES if isinstance(self.inputs.get(name), str)]


class Stack:
    """The resources that are judged together."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self.resources = tuple(resources)
        self._by_urn = {resource.urn: resource for resource in resources}

    def of_type(self, *types: str) -> tuple[Resource, ...]:
        """Return the resources of these types."""
        return tuple(resource for resource in self.resources if resource.type in types)

    def companions(self, kind: str, key: str, of: Resource) -> tuple[Resource, ...]:
        """Return the resources of a type that name this one by their input `key`."""
        return tuple(resource for resource in self.of_type(kind) if self.refers(resource, key, of))

    def refers(self, resource: Resource, key: str, other: Resource) -> bool:
        """Whether an input names the other resource; so it is taken where a preview knows neither value nor origin."""
        origins = resource.dependencies.get(key, ())
        if other.urn in origins:
            return True
        value = resource.get(key)
        if has_unknown(value) and not origins:
            return True
        # A program may take the name from what depends on the other one, so that this is made after it.
        between = [self._by_urn[urn] for urn in origins if urn in self._by_urn and urn != resource.urn]
        passed = any(
            self.refers(one, carrier, other) for one in between for carrier in CARRIERS if carrier in one.inputs
        )
        return passed or any(member in other.names for member in elements(value))

    def retiring(self, resource: Resource) -> bool:
        """Whether the resource's host leaves the cluster, as the contract has it; or may, as far as a preview knows.

        Nothing that is being made belongs to a retiring host: AWS has not named it yet.
        """
        contract = next((look_up(stack.inputs, "contract") for stack in self.of_type(STACK)), None)
        if has_unknown(contract):
            return isinstance(resource.get("arn"), str)
        clusters = look_up(contract, "clusters") or {}
        hosts = [host for cluster in clusters.values() for host in cluster["hosts"] if host["state"] == "retiring"]
        return resource.parent.rsplit("::", 1)[-1] in {host["name"] for host in hosts}
