"""What the tests of all roles read: their folders, specs, tasks and example values."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
# Keywords that hold more tasks.
NESTED = ("block", "rescue", "always")


@dataclass(frozen=True)
class Role:
    """A role's folder."""

    path: Path

    @property
    def name(self) -> str:
        """Its name."""
        return self.path.name

    def read(self, name: str) -> Any:
        """A YAML file of the role, None when it is missing or empty."""
        path = self.path / name
        return yaml.safe_load(path.read_text()) if path.exists() else None

    @property
    def defaults(self) -> dict[str, Any]:
        """defaults/main.yml."""
        return self.read("defaults/main.yml") or {}

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """Options of all entry points, by name."""
        specs = self.read("meta/argument_specs.yml")["argument_specs"]
        return {name: option for spec in specs.values() for name, option in (spec.get("options") or {}).items()}

    def task_files(self) -> list[Path]:
        """Files that hold tasks, handlers too."""
        return sorted([*self.path.glob("tasks/**/*.yml"), *self.path.glob("handlers/*.yml")])

    def tasks(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Each task with its file, those inside blocks too."""
        for path in self.task_files():
            for task in flatten(yaml.safe_load(path.read_text()) or []):
                yield path, task


def flatten(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Tasks and what their blocks hold."""
    for task in tasks:
        yield task
        for keyword in NESTED:
            yield from flatten(task.get(keyword) or [])


ROLES = [Role(path) for path in sorted((ROOT / "roles").iterdir()) if (path / "tasks").is_dir()]
