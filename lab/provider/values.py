"""Pulumi's property values to plain Python ones and back. Numbers travel as floats and come out whole."""

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi.provider.experimental.property_value import Computed, PropertyValue

Plain = dict[str, Any]


class Unknown:
    """A value that is known only after another resource was made."""

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return id(self)


def plain(values: Mapping[str, PropertyValue]) -> Plain:
    """A resource's properties, the engine's own (`__…`) left out."""
    return {key: _plain(value) for key, value in values.items() if not key.startswith("__")}


def wrapped(values: Plain) -> dict[str, PropertyValue]:
    """The opposite of `plain`."""
    return {key: _wrapped(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    inner = value.value if isinstance(value, PropertyValue) else value
    if isinstance(inner, Computed):
        return Unknown()
    if isinstance(inner, float) and inner.is_integer():
        return int(inner)
    if isinstance(inner, Mapping):
        return {key: _plain(item) for key, item in inner.items()}
    if isinstance(inner, Sequence) and not isinstance(inner, str):
        return [_plain(item) for item in inner]
    return inner


def _wrapped(value: Any) -> PropertyValue:
    if isinstance(value, Unknown):
        return PropertyValue(Computed())
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value))
    if isinstance(value, dict):
        return PropertyValue({key: _wrapped(item) for key, item in value.items()})
    if isinstance(value, list):
        return PropertyValue([_wrapped(item) for item in value])
    return PropertyValue(value)
