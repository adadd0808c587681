"""The project's file and those of its stacks: what a program can know of a stack that no engine has started."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

PROJECT_FILE = Path(__file__).parents[2] / "Pulumi.yaml"


@cache
def project() -> Mapping[str, Any]:
    """Return Pulumi.yaml: the project's name and the schema of its settings."""
    return cast("Mapping[str, Any]", yaml.safe_load(PROJECT_FILE.read_text(encoding="utf-8")))


def project_name() -> str:
    """Return the project's name, which is its settings' namespace too."""
    return str(project()["name"])


def file_of(stack: str) -> Path:
    """Return the path of a stack's file, whether it is there or not."""
    return PROJECT_FILE.with_name(f"Pulumi.{stack}.yaml")


def content_of(stack: str) -> Mapping[str, Any]:
    """Return what a stack's file says; Pulumi leaves an empty one where nothing is set."""
    return yaml.safe_load(file_of(stack).read_text(encoding="utf-8")) or {}


def from_files(stack: str) -> tuple[dict[str, str], set[str]]:
    """Return a stack's configuration as the engine passes it, from its files, and the keys of its secrets."""
    return as_passed(content_of(stack).get("config") or {})


def as_passed(given: Mapping[str, Any]) -> tuple[dict[str, str], set[str]]:
    """Return what a stack's file gives, and the schema's defaults, as the engine passes it; and the keys of secrets."""
    schema = project()["config"]
    values = {f"{project_name()}:{key}": entry["default"] for key, entry in schema.items() if "default" in entry}
    values |= given
    secret = {key for key, value in values.items() if isinstance(value, dict) and "secure" in value}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}, secret
