"""Typed reading of environment variables: a missing or wrong one is refused by its name, an unknown one is told."""

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

# Names that begin like ours but are unknown are misspellings, or those of a newer release that shares the file.
OWN_PREFIXES = ("DB_", "CACHE_", "ENCRYPTION_", "DJANGO_", "POSTGRESQL_")
# What Django reads itself.
OF_DJANGO = (
    "DJANGO_ALLOW_ASYNC_UNSAFE", "DJANGO_AUTO_COMPLETE", "DJANGO_COLORS", "DJANGO_RUNSERVER_HIDE_WARNING",
    "DJANGO_SETTINGS_MODULE", "DJANGO_SUPERUSER_", "DJANGO_TEST_PROCESSES", "DJANGO_WATCHMAN_TIMEOUT",
)  # fmt: skip
PORTS = range(1, 65_536)


def read_env_file(path: Path) -> dict[str, str]:
    """Read KEY=VALUE lines. Empty lines and comments are skipped, one pair of quotes is taken off.

    Raises ImproperlyConfigured when the file cannot be read or a line is no assignment.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ImproperlyConfigured(f"The environment file {path} cannot be read: {error.strerror}.") from error
    values: dict[str, str] = {}
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not separator or not name.strip().isidentifier():
            # The line itself may hold a secret, so only its number is named.
            raise ImproperlyConfigured(f"{path}, line {number}: expected NAME=value.")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        values[name.strip()] = value
    return values


class Environment:
    """Variables of the process over those of an optional file; collects every problem before it refuses.

    Readers return a harmless value for a bad variable and note the problem; `refuse_problems` raises
    ImproperlyConfigured with all of them, so that one attempt shows everything there is to mend.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._known: set[str] = set()
        self._problems: list[str] = []

    @classmethod
    def of_process(cls, default_file: Path) -> "Environment":
        """Read `ENV_FILE`, or `default_file` when it exists; variables of the process win over the file's."""
        named = os.environ.get("ENV_FILE")
        file = Path(named) if named else default_file
        values = read_env_file(file) if named or file.exists() else {}
        return cls({**values, **os.environ})

    def problem(self, text: str) -> None:
        self._problems.append(text)

    def given(self, name: str) -> bool:
        self._known.add(name)
        return bool(self._variables.get(name, "").strip())

    def text(self, name: str, default: str | None = None) -> str:
        """Return the variable; without a default it must be there. A placeholder is refused."""
        self._known.add(name)
        value = self._variables.get(name, "").strip()
        if not value:
            if default is None:
                self.problem(f"{name} is missing or empty: set it in the environment or in the .env file.")
            return default or ""
        if value.startswith("CHANGE_ME"):
            self.problem(f"{name} still holds its placeholder: give it the real value.")
        return value

    def items(self, name: str, default: str | None = None) -> list[str]:
        """Return the parts of a comma-separated list."""
        value = self.text(name, default)
        parts = [part.strip() for part in value.split(",")] if value else []
        if not all(parts):
            self.problem(f"{name}={value}: the list has an empty entry.")
        return parts

    def opened(self, group: Iterable[str], *openers: str) -> bool:
        """Say whether a group of settings is there: whether one of its `openers` is given.

        Another one without them is a problem: it would be taken for nothing, and nobody told.
        """
        others = [name for name in group if self.given(name) and name not in openers]
        if any(self.given(name) for name in openers):
            return True
        for name in others:
            self.problem(f"{' or '.join(openers)} is missing: {name} says nothing without it.")
        return False

    def integer(self, name: str, default: int, allowed: range) -> int:
        value = self.text(name, str(default))
        if not value.isdecimal() or int(value) not in allowed:
            self.problem(f"{name}={value}: a whole number from {allowed[0]} to {allowed[-1]} is expected.")
            return default
        return int(value)

    def ports(self, name: str, default: str, hosts: int) -> list[str]:
        """Return one port for all hosts, or one for each."""
        ports = self.items(name, default)
        for port in ports:
            if not port.isdecimal() or int(port) not in PORTS:
                self.problem(f"{name}={port}: a port from {PORTS[0]} to {PORTS[-1]} is expected.")
        if len(ports) not in {1, hosts}:
            self.problem(f"{name} lists {len(ports)} ports for {hosts} hosts: give one port, or one for each host.")
        return ports

    def boolean(self, name: str, *, default: bool) -> bool:
        value = self.text(name, "true" if default else "false").lower()
        if value not in {"true", "false"}:
            self.problem(f"{name}={value}: true or false is expected.")
        return value == "true"

    def file(self, name: str, default: str | None = None) -> str:
        """Return the path of a file that is there and readable."""
        value = self.text(name, default)
        if value and not os.access(value, os.R_OK):
            self.problem(f"{name}={value}: there is no such readable file.")
        return value

    def unknown(self) -> list[str]:
        """Return a sentence on each variable that looks like ours and that nothing has read, with the nearest name."""
        sentences = []
        for name in sorted(self._variables):
            if name.startswith(OWN_PREFIXES) and name not in self._known and not name.startswith(OF_DJANGO):
                near = difflib.get_close_matches(name, sorted(self._known), n=1)
                hint = f" Did you mean {near[0]}?" if near else ""
                sentences.append(f"{name} is not a setting of this release.{hint}")
        return sentences

    def refuse_problems(self, unknown: Iterable[str] = ()) -> None:
        """Raise ImproperlyConfigured when anything was missing or wrong; what is `unknown` may say why."""
        if self._problems:
            problems = [*self._problems, *unknown]
            raise ImproperlyConfigured("The environment is refused:\n  - " + "\n  - ".join(problems))
