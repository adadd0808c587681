"""Exceptions: violations that are accepted for a reason until a day, as `exceptions.yml` lists them."""

import datetime
import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from policy.rule import Violation

FILE = Path(__file__).with_name("exceptions.yml")
KEYS = ("rule", "resource", "reason", "until")


class ExceptionsError(ValueError):
    """The file of exceptions is refused, with every problem found."""


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """One exception. `resource` is a pattern of names or URNs, `until` the last day on which it holds."""

    rule: str
    resource: str
    reason: str
    until: datetime.date

    def covers(self, violation: Violation) -> bool:
        """Whether it speaks of this violation, in time or not."""
        names = (violation.resource.name, violation.resource.urn)
        return violation.rule.name == self.rule and any(fnmatch.fnmatchcase(name, self.resource) for name in names)


def judge(violation: Violation, accepted: Sequence[Accepted], today: datetime.date) -> str | None:
    """Return the message of a violation; None while an exception covers it."""
    covering = [one for one in accepted if one.covers(violation)]
    if any(today <= one.until for one in covering):
        return None
    ended = "".join(f" The exception ended on {one.until} ({one.reason})." for one in covering)
    return f"{violation}{ended}"


def read(rules: Collection[str], path: Path = FILE) -> list[Accepted]:
    """Return the exceptions of a file. ExceptionsError for unknown rules and keys, empty reasons and wrong days."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ExceptionsError(f"{path.name} is no YAML: {error}") from None
    entries = content.get("exceptions") if isinstance(content, Mapping) else None
    if not isinstance(entries, list):
        raise ExceptionsError(f"{path.name}: a list under `exceptions` is needed; an empty one is []")
    problems = [
        f"{path.name}, entry {number}: {problem}"
        for number, entry in enumerate(entries, start=1)
        for problem in _problems(entry, rules)
    ]
    if problems:
        raise ExceptionsError("\n".join(problems))
    return [Accepted(**entry) for entry in entries]


def _problems(entry: Any, rules: Collection[str]) -> list[str]:
    if not isinstance(entry, Mapping) or sorted(entry) != sorted(KEYS):
        return [f"{entry!r}; exactly {', '.join(KEYS)} are needed"]
    found = []
    if entry["rule"] not in rules:
        found.append(f"no rule {entry['rule']!r}; docs/policies.md lists them")
    # A date without quotes is one; a moment is a date too, and compares with none.
    if type(entry["until"]) is not datetime.date:
        found.append(f"until {entry['until']!r}; a day is needed, such as 2027-03-31 without quotes")
    found += [
        f"{key} {entry[key]!r}; a text is needed"
        for key in ("resource", "reason")
        if not isinstance(entry[key], str) or not entry[key].strip()
    ]
    return found
