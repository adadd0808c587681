"""Reads single values of a stack's configuration and collects what is wrong with them."""

import difflib
import json
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Any

from infra.problems import Problem


class ConfigReader:
    """Values by their key in the project's namespace. What can't be read is a problem; what is read may be refused."""

    def __init__(self, config: Mapping[str, str], project: str) -> None:
        self.config, self.project = config, project
        self.problems: list[Problem] = []
        self.refused: list[Problem] = []

    def text(self, key: str) -> str:
        """Return a text, which may be empty but must be there."""
        value = self.config.get(f"{self.project}:{key}")
        if value is None:
            self.problems.append(Problem(key, "not set", f"pulumi config set {key} <value>"))
            return ""
        return value

    def integer(self, key: str) -> int:
        """Return a whole number."""
        return self._integer(key, self.text(key) or "0")

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """Return one of the choices."""
        value = self.text(key)
        if value and value not in choices:
            near = difflib.get_close_matches(value, choices, n=1, cutoff=0.0)[0]
            self.problems.append(Problem(key, f"{value!r}; one of {', '.join(choices)} is possible", f"take {near}"))
        return value if value in choices else choices[0]

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(str(item) for item in self._list(key))

    def network(self, key: str) -> IPv4Network:
        """Return a network."""
        return self._network(key, self.text(key))

    def networks(self, key: str) -> tuple[IPv4Network, ...]:
        """Return a list of networks."""
        return tuple(self._network(key, value) for value in self.texts(key))

    def objects(self, key: str, fields: Mapping[str, object]) -> tuple[dict[str, Any], ...]:
        """Return a list of objects with these fields; a field's value is its default, None where there is none.

        The type of a default is the type of the field: texts, whole numbers or lists of texts.
        """
        return tuple(self._object(f"{key}[{n}]", item, fields) for n, item in enumerate(self._list(key)))

    def objects_by_name(self, key: str, fields: Mapping[str, object]) -> dict[str, dict[str, Any]]:
        """Return objects with these fields by their names; see `objects`."""
        value = self.text(key) or "{}"
        try:
            items = json.loads(value)
        except ValueError:
            items = None
        if not isinstance(items, dict):
            remedy = f"pulumi config set --path '{key}.<name>.{next(iter(fields))}' …"
            self.problems.append(Problem(key, f"{value!r}; an object is needed", remedy))
            return {}
        return {name: self._object(f"{key}.{name}", item, fields) for name, item in items.items()}

    def _object(self, key: str, item: object, fields: Mapping[str, object]) -> dict[str, Any]:
        if not isinstance(item, dict):
            self.problems.append(Problem(key, f"{item!r}; an object with {', '.join(fields)} is needed", "write one"))
            return dict(fields)
        for field in sorted(set(item) - set(fields)):
            near = difflib.get_close_matches(field, list(fields), n=1, cutoff=0.0)[0]
            self.problems.append(Problem(f"{key}.{field}", "no such setting", f"did you mean {near}?"))
        return {
            field: self._field(f"{key}.{field}", item.get(field, default), default) for field, default in fields.items()
        }

    def _field(self, key: str, value: object, default: object) -> object:
        if isinstance(default, int):
            return self._integer(key, value)
        if isinstance(default, tuple):
            if isinstance(value, list | tuple):
                return tuple(str(item) for item in value)
            self.problems.append(Problem(key, f"{value!r}; a list is needed", "write one, such as [cache]"))
            return default
        if not isinstance(value, str) or not value:
            self.problems.append(Problem(key, f"{value!r}; a text is needed", "give one"))
            return ""
        return value

    def _integer(self, key: str, value: object) -> int:
        try:
            if isinstance(value, bool | float):
                raise TypeError
            return int(str(value))
        except (TypeError, ValueError):
            self.problems.append(Problem(key, f"{value!r}; a whole number is needed", "give one"))
            return 0

    def _list(self, key: str) -> list[Any]:
        value = self.text(key) or "[]"
        try:
            items = json.loads(value)
        except ValueError:
            items = None
        if not isinstance(items, list):
            self.problems.append(Problem(key, f"{value!r}; a list is needed", f"pulumi config set --path '{key}[0]' …"))
            return []
        return items

    def _network(self, key: str, value: str) -> IPv4Network:
        try:
            return IPv4Network(value)
        except ValueError as error:
            if value:
                self.problems.append(Problem(key, f"{value!r}; {error}", "write a network like 10.20.0.0/16"))
            return IPv4Network("0.0.0.0/32")
