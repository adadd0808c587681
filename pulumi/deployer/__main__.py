"""Write the policies that a stack needs: `make deployer-policy`, or for a stack of your own with STACK=…

The deployer's allow all types of all example stacks and options, so that another setting needs no other policy; names,
tags and regions are the stack's. Who runs its playbooks, the operator, has a policy of their own, so has the daily copy
of the state, and so has the first proof of the stack (`make smoke-aws`): it has other names and does more.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from dry_run import Declaration, declaration, declaration_of, example_stacks
from infra import stack_files
from infra.problems import SettingsError
from smoke import settings as smoke
from smoke.commands import StepError

from deployer import document, playbooks, state
from deployer.policies import Statement, allow, policies
from deployer.scope import Scope, scope_of
from deployer.table import Needs, UncoveredError, needs, rows

ROOT = Path(__file__).parents[2]
EXAMPLE = "production"
NAME = "aws-deployer-policy"
PROOF = "aws-smoke-policy"
OPERATOR = "aws-operator-policy"
STATE_COPY = "aws-state-copy-policy"
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
        content = made_for(given.stack, everything()) | for_operator(given.stack)
        content |= for_first_proof(given.stack) | for_state_copy(given.stack)
    except (UncoveredError, SettingsError, OSError) as error:
        print(f"deployer: {error}", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for old in [path for name in (NAME, PROOF, OPERATOR, STATE_COPY) for path in folder.glob(f"{name}*.json")]:
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
    return files(NAME, deploying(wanted, scope_of(own)))


def for_operator(stack: str) -> dict[str, str]:
    """Return file name -> text for who runs the stack's playbooks. Raises SettingsError."""
    return files(OPERATOR, playbooks.statements(scope_of(declaration(stack))))


def for_state_copy(stack: str) -> dict[str, str]:
    """Return file name -> text for who copies the records of all the project's stacks. Raises SettingsError."""
    return files(STATE_COPY, state.copied(scope_of(declaration(stack))))


def for_first_proof(stack: str) -> dict[str, str]:
    """Return file name -> text for the stack's first proof; nothing where there can be none, with the reason told."""
    try:
        config, secret = stack_files.as_passed(smoke.config(stack))
    except StepError as error:
        print(f"deployer: no policy for a first proof: {error}", file=sys.stderr)
        return {}
    own = declaration_of(smoke.NAME, config, secret)
    return files(PROOF, deploying(needs(own.types, own.lookups, rows()["commands"]), scope_of(own)))


def deploying(wanted: Needs, scope: Scope) -> list[Statement]:
    """Return what it takes to deploy a stack: its resources, its record, and what `make cost` asks."""
    prices = allow("ReadPrices", {"pricing:GetProducts"}, ["*"])
    return [*document.statements(wanted, scope), *state.kept(scope), prices]


def files(name: str, statements: Iterable[Statement]) -> dict[str, str]:
    """Return file name -> text, as few files as the statements fit into; a single one has no number."""
    made = policies(statements)
    ends = [f"-{number}" for number in range(1, len(made) + 1)] if len(made) > 1 else [""]
    return {f"{name}{end}.json": json.dumps(each, indent=2) + "\n" for end, each in zip(ends, made, strict=True)}


def everything() -> list[Declaration]:
    """Return what all example stacks declare, and what each option adds to the first of them."""
    return [
        *(declaration(stack) for stack in example_stacks()),
        *(declaration(EXAMPLE, **option) for option in OPTIONS),
    ]


if __name__ == "__main__":
    sys.exit(main())
