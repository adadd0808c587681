"""The golden files of the example stacks: what is in them and how they are compared.

tests/golden/<stack>/resources.yaml holds each resource with its parent, its options and its inputs as the provider sees
them, sorted, with names where an id would stand; contract.json is what the inventory reads.
"""

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILES = RESOURCES, CONTRACT = "resources.yaml", "contract.json"
COMMAND = "make goldens"
ID_DIGITS = 17
ID = re.compile(rf"(?:[a-z]+-)?([0-9a-f]{{{ID_DIGITS}}})")


def file_of(stack: str, name: str) -> Path:
    """Return the path of a golden file."""
    return ROOT / "tests/golden" / stack / name


def contract_of(stack: str) -> dict[str, Any]:
    """Return the golden contract of a stack."""
    return dict(json.loads(file_of(stack, CONTRACT).read_text(encoding="utf-8")))


def resources_of(stack: str) -> dict[str, dict[str, Any]]:
    """Return the golden resources of a stack by `type name`."""
    return loaded(file_of(stack, RESOURCES).read_text(encoding="utf-8"))


def loaded(text: str) -> dict[str, dict[str, Any]]:
    """Return resources from their text."""
    return yaml.load(text, Loader=yaml.CSafeLoader) or {}  # in C: the files are long


def listed(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """Return resources as text."""
    return yaml.safe_dump(dict(entries), allow_unicode=True, explicit_start=True, sort_keys=True, width=10_000)


def readable(value: Any, ids: Mapping[str, str]) -> Any:
    """Return inputs with whole numbers as such, texts that hold a structure as that, and names in the place of ids.

    `ids` has the names by the last digits of an id.
    """
    if isinstance(value, Mapping):
        return {key: readable(item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [readable(item, ids) for item in value]
    if isinstance(value, str):
        head = next((head for head in ("#cloud-config\n", "") if value.startswith(f"{head}{{")), None)
        if head is not None:
            return {head.strip() or "json": readable(json.loads(value.removeprefix(head)), ids)}
        return ID.sub(lambda found: f"<{ids[found[1]]}>" if found[1] in ids else found[0], value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def unified(golden: str, declared: str, name: str) -> str:
    """Return how a text differs from the golden one, empty where it does not."""
    lines = difflib.unified_diff(golden.splitlines(), declared.splitlines(), name, "declared now", lineterm="")
    return "\n".join(lines)


def difference(stack: str, name: str, text: str) -> str:
    """Return how what is declared differs from the golden file and what to do about it; empty where it does not."""
    file = file_of(stack, name)
    golden = file.read_text(encoding="utf-8") if file.exists() else ""
    shown = unified(golden, text, str(file.relative_to(ROOT)))
    return f"{shown}\nWhere that is what you want: `{COMMAND}`, and commit what it writes." if shown else ""
