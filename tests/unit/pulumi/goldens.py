"""Writes the golden files of the example stacks (see `golden_files`): `make goldens`.

    python tests/unit/pulumi/goldens.py [--drop-names]

A type and a name are what running stacks find their resources by: one that would vanish from the files is refused,
until `--drop-names` says that the program has an alias for it or that running stacks shall lose the resource.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from pulumi_recorder import STACKS, Recording, Resource, record

# The recorder knows where the others are.
# isort: split
from golden_files import CONTRACT, RESOURCES, file_of, listed, loaded, readable
from infra import contract_checks


def texts(recording: Recording) -> dict[str, str]:
    """Return what the files of a stack hold."""
    entries = {f"{one.type} {one.name}": entry(one, recording) for one in recording.resources}
    assert len(entries) == len(recording.resources), "a name is taken twice within a type"
    contract = contract_checks.parse(recording.contract).to_json()  # in the order of its fields
    return {RESOURCES: listed(entries), CONTRACT: json.dumps(contract, indent=2) + "\n"}


def entry(resource: Resource, recording: Recording) -> dict[str, Any]:
    """Return a resource as a reviewer reads it: what is not set is not shown, nor are the provider's own aliases."""
    shown = {
        "parent": resource.parent,
        "protect": resource.protect,
        "retain_on_delete": resource.retain,
        "delete_before_replace": resource.delete_before_replace,
        "ignore_changes": list(resource.ignore_changes),
        "aliases": [alias for alias in resource.aliases if not alias.startswith("aws:")],
        "depends_on": named(resource, recording),
        "inputs": readable(resource.inputs, recording.ids),
    }
    return {key: value for key, value in shown.items() if value}


def named(resource: Resource, recording: Recording) -> list[str]:
    """Return the names of what a resource waits for without taking its outputs; a component's alone for all of it."""
    parts: dict[str, set[str]] = {}
    for one in recording.resources:
        if one.type.startswith("aws:") and one.parent:
            parts.setdefault(one.parent, set()).add(one.urn)
    whole = {parent for parent, urns in parts.items() if urns <= resource.depends_on and urns & resource.named}
    single = {one.name for one in recording.resources if one.urn in resource.named and one.parent not in whole}
    return sorted(whole | single)


def main(words: Sequence[str]) -> int:
    """Write the files, unless a name would vanish that nobody gave up."""
    parser = argparse.ArgumentParser(description="Write what each example stack declares to tests/golden")
    parser.add_argument("--drop-names", action="store_true", help="names of resources may vanish")
    given = parser.parse_args(words)
    for stack in STACKS:
        for name, text in texts(record(stack)).items():
            file = file_of(stack, name)
            if name == RESOURCES and file.exists() and not given.drop_names:
                gone = sorted(set(loaded(file.read_text(encoding="utf-8"))) - set(loaded(text)))
                if gone:
                    print(f"{file}: these would vanish:", *gone, sep="\n  ", file=sys.stderr)
                    print("Give each an alias in the program, then say --drop-names.", file=sys.stderr)
                    return 1
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
