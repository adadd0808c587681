"""Write the policies that a deployer needs: `make deployer-policy`, or for a stack of your own with STACK=…

They allow all types of all example stacks, so that another setting needs no other policy; names and regions are the
stack's.
"""

import argparse
import json
import sys
from pathlib import Path

from dry_run import declaration, example_stacks
from infra.problems import SettingsError

from deployer import document
from deployer.table import UncoveredError, needs

ROOT = Path(__file__).parents[2]
EXAMPLE = "production"
NAME = "aws-deployer-policy"


def main() -> int:
    """Exit status 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="deployer", description=__doc__)
    parser.add_argument("stack", help="the one of Pulumi.<stack>.yaml")
    parser.add_argument("--folder", type=Path, help=f"docs for {EXAMPLE}, else .ansible/<stack>")
    given = parser.parse_args()
    folder = given.folder or (ROOT / "docs" if given.stack == EXAMPLE else ROOT / ".ansible" / given.stack)
    try:
        content = made_for(given.stack)
    except (UncoveredError, SettingsError, OSError) as error:
        print(f"deployer: {error}", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{NAME}*.json"):
        old.unlink()
    for name, text in content.items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)
    return 0


def made_for(stack: str) -> dict[str, str]:
    """Return file name -> text. Raises UncoveredError and SettingsError."""
    own = declaration(stack)
    all_of_it = [own, *(declaration(each) for each in example_stacks() if each != stack)]
    wanted = needs(
        frozenset[str]().union(*(each.types for each in all_of_it)),
        frozenset[str]().union(*(each.lookups for each in all_of_it)),
    )
    scope = document.scope_of(own)
    made = document.policies([*document.statements(wanted, scope), *document.state(scope)])
    return {f"{NAME}-{number}.json": json.dumps(each, indent=2) + "\n" for number, each in enumerate(made, start=1)}


if __name__ == "__main__":
    sys.exit(main())
