"""What each example stack declares and exports, as files whose diff a reviewer reads: `make goldens` writes them.

    python tests/unit/pulumi/goldens.py [--drop-names]

tests/golden/<stack>/resources.yaml holds each resource with its parent, its options and its inputs as the provider sees
them, sorted, with names where an id would stand; contract.json is what the inventory reads. A type and a name are what
running stacks find their resources by: one that would vanish from the files is refused, until `--drop-names` says that
the program has an alias for it or that running stacks shall lose the resource.
"""

import argparse
import difflib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pulumi_recorder import ROOT, STACKS, Recording, Resource, record

# The recorder knows where the program is.
# isort: split
from infra.contract import Contract

COMMAND = "make goldens"
ID = re.compile(r"([a-z]+-)?[0-9a-f]{17}")
FILES = RESOURCES, CONTRACT = "resources.yaml", "contract.json"


def file_of(stack: str, name: str) -> Path:
    """Return the path of a golden file."""
    return ROOT / "tests/golden" / stack / name


def texts(recording: Recording) -> dict[str, str]:
    """Return what the files of a stack hold."""
    entries = {f"{one.type} {one.name}": entry(one, recording.ids) for one in recording.resources}
    assert len(entries) == len(recording.resources), "a name is taken twice within a type"
    contract = Contract.from_json(recording.contract).to_json()  # in the order of its fields
    listed = yaml.safe_dump(entries, allow_unicode=True, explicit_start=True, sort_keys=True, width=10_000)
    return {RESOURCES: listed, CONTRACT: json.dumps(contract, indent=2) + "\n"}


def entry(resource: Resource, ids: Mapping[str, str]) -> dict[str, Any]:
    """Return a resource as a reviewer reads it: what is not set is not shown."""
    shown = {
        "parent": resource.parent,
        "protect": resource.protect,
        "retain_on_delete": resource.retain,
        "delete_before_replace": resource.delete_before_replace,
        "ignore_changes": list(resource.ignore_changes),
        "aliases": list(resource.aliases),
        "inputs": readable(resource.inputs, ids),
    }
    return {key: value for key, value in shown.items() if value}


def readable(value: Any, ids: Mapping[str, str]) -> Any:
    """Return inputs with whole numbers as such, texts that hold a structure as that, and names in the place of ids."""
    if isinstance(value, Mapping):
        return {key: readable(item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [readable(item, ids) for item in value]
    if isinstance(value, str):
        head = next((head for head in ("#cloud-config\n", "") if value.startswith(f"{head}{{")), None)
        if head is not None:
            return {head.strip() or "json": readable(json.loads(value.removeprefix(head)), ids)}
        return ID.sub(lambda found: f"<{ids[found[0]]}>" if found[0] in ids else found[0], value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def names(text: str) -> set[str]:
    """Return types and names of a golden list of resources."""
    return set(yaml.load(text, Loader=yaml.CSafeLoader) or {})


def difference(stack: str, name: str, text: str) -> str:
    """Return how what is declared differs from the golden file, empty where it does not, and what to do about it."""
    file = file_of(stack, name)
    golden = file.read_text(encoding="utf-8") if file.exists() else ""
    path = str(file.relative_to(ROOT))
    lines = difflib.unified_diff(golden.splitlines(), text.splitlines(), path, "declared now", lineterm="")
    shown = "\n".join(lines)
    return f"{shown}\nWhere that is what you want: `{COMMAND}`, and commit what it writes." if shown else ""


def main(words: Sequence[str]) -> int:
    """Write the files, unless a name would vanish that nobody gave up."""
    parser = argparse.ArgumentParser(description="Write what each example stack declares to tests/golden")
    parser.add_argument("--drop-names", action="store_true", help="names of resources may vanish")
    given = parser.parse_args(words)
    for stack in STACKS:
        for name, text in texts(record(stack)).items():
            file = file_of(stack, name)
            if name == RESOURCES and file.exists() and not given.drop_names:
                gone = sorted(names(file.read_text(encoding="utf-8")) - names(text))
                if gone:
                    print(f"{file}: these would vanish:", *gone, sep="\n  ", file=sys.stderr)
                    print("Give each an alias in the program, then say --drop-names.", file=sys.stderr)
                    return 1
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
