"""Write the policies that a deployer needs: `make deployer-policy`, or for a stack of your own with STACK=…

They allow all types of all example stacks and options, so that another setting needs no other policy; names and regions
are the stack's. The first proof of that stack (`make smoke-aws`) has other names and does more: it has its own.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from dry_run import Declaration, declaration, declaration_of, example_stacks
from infra import stack_files
from infra.problems import SettingsError
from smoke import settings as smoke
from smoke.commands import StepError

from deployer import document
from deployer.table import Needs, UncoveredError, needs, rows

ROOT = Path(__file__).parents[2]
EXAMPLE = "production"
NAME = "aws-deployer-policy"
PROOF = "aws-smoke-policy"
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
        content = made_for(given.stack, everything()) | for_first_proof(given.stack)
    except (UncoveredError, SettingsError, OSError) as error:
        print(f"deployer: {error}", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob(f"{NAME}*.json"), *folder.glob(f"{PROOF}*.json")]:
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
    return files(NAME, wanted, document.scope_of(own))


def for_first_proof(stack: str) -> dict[str, str]:
    """Return file name -> text for the stack's first proof; nothing where there can be none, with the reason told."""
    try:
        config, secret = stack_files.as_passed(smoke.config(stack))
    except StepError as error:
        print(f"deployer: no policy for a first proof: {error}", file=sys.stderr)
        return {}
    own = declaration_of(smoke.NAME, config, secret)
    return files(PROOF, needs(own.types, own.lookups, rows()["commands"]), document.scope_of(own))


def files(name: str, wanted: Needs, scope: document.Scope) -> dict[str, str]:
    """Return file name -> text."""
    made = document.policies([*document.statements(wanted, scope), *document.state(scope)])
    return {f"{name}-{number}.json": json.dumps(each, indent=2) + "\n" for number, each in enumerate(made, start=1)}


def everything() -> list[Declaration]:
    """Return what all example stacks declare, and what each option adds to the first of them."""
    return [
        *(declaration(stack) for stack in example_stacks()),
        *(declaration(EXAMPLE, **option) for option in OPTIONS),
    ]


if __name__ == "__main__":
    sys.exit(main())
