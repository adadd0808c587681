"""Write the policies that a deployer needs: `make deployer-policy`, or for a stack of your own with STACK=…

They allow all types of all example stacks and options, so that another setting needs no other policy; names and regions
are the stack's.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from dry_run import Declaration, declaration, example_stacks
from infra.problems import SettingsError

from deployer import document
from deployer.table import UncoveredError, needs

ROOT = Path(__file__).parents[2]
EXAMPLE = "production"
NAME = "aws-deployer-policy"
# Settings by which the program declares or asks for something else.
OPTIONS: tuple[dict[str, str], ...] = (
    {"alarm_emails": '["dba@example.com"]'},
    {"backup_second_region": "eu-west-1"},
    {"egress": "nat_single"},
    {"egress": "none", "apt_mirror": "http://mirror.example.internal/debian"},
    {"image_id": "ami-00000000000000000"},
    {"reach": "bastion", "bastion": "ops@bastion.example.com"},
    {"vpc_id": "vpc-00000000", "internet_gateway_id": "igw-00000000"},
)


def main() -> int:
    """Exit status 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="deployer", description=__doc__)
    parser.add_argument("stack", help="the one of Pulumi.<stack>.yaml")
    parser.add_argument("--folder", type=Path, help=f"docs for {EXAMPLE}, else .ansible/<stack>")
    given = parser.parse_args()
    folder = given.folder or (ROOT / "docs" if given.stack == EXAMPLE else ROOT / ".ansible" / given.stack)
    try:
        content = made_for(given.stack, everything())
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


def made_for(stack: str, others: Sequence[Declaration]) -> dict[str, str]:
    """Return file name -> text for what the stack and the others declare. Raises UncoveredError and SettingsError."""
    own = declaration(stack)
    all_of_it = [own, *others]
    wanted = needs(
        frozenset[str]().union(*(each.types for each in all_of_it)),
        frozenset[str]().union(*(each.lookups for each in all_of_it)),
    )
    scope = document.scope_of(own)
    made = document.policies([*document.statements(wanted, scope), *document.state(scope)])
    return {f"{NAME}-{number}.json": json.dumps(each, indent=2) + "\n" for number, each in enumerate(made, start=1)}


def everything() -> list[Declaration]:
    """Return what all example stacks declare, and what each option adds to the first of them."""
    return [
        *(declaration(stack) for stack in example_stacks()),
        *(declaration(EXAMPLE, **option) for option in OPTIONS),
    ]


if __name__ == "__main__":
    sys.exit(main())
