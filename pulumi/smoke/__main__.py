"""The first proof on your own account: `make smoke-aws STACK=production` makes a small stack, looks, and destroys it.

What it costs is shown first, and nothing is made before you have typed the small stack's name. `make smoke-aws-clean`
takes away what an interrupted run left.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from cost import billing, price_file, report
from cost.assumptions import HOURS_PER_MONTH, Assumptions
from dry_run import declaration
from infra import stack_files
from infra.problems import SettingsError

from smoke import checks, clean_up, preflight, settings
from smoke.commands import ROOT, Run, StepError, must, real

HOURS = 2  # a run takes less than one
NO_TERMINAL = "nobody can type the stack's name: run it in a terminal"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table at the end."""

    step: str
    held: bool
    seconds: float
    note: str


def main() -> int:
    """Exit status 1 when something did not hold, 2 when nothing was begun."""
    parser = argparse.ArgumentParser(prog="smoke", description=__doc__)
    parser.add_argument("command", choices=("prove", "clean"))
    parser.add_argument("stack", help="the stack whose settings are tried, the one of Pulumi.<stack>.yaml")
    given = parser.parse_args()
    try:
        rows = prove(given.stack, real, input) if given.command == "prove" else clean(given.stack, real)
    except (
        StepError,
        SettingsError,
        billing.UnknownTypeError,
        price_file.PriceError,
        OSError,
        yaml.YAMLError,
    ) as error:
        print(f"smoke: nothing was made: {error}", file=sys.stderr)
        return 2
    print(table(rows))
    return 0 if all(row.held for row in rows) else 1


def prove(stack: str, run: Run, ask: Callable[[str], str]) -> list[Row]:
    """Make, look, take away; the last is done however the others end. Raises before anything is made."""
    region = region_of(stack)
    preflight.check_engine()
    preflight.check_tools(run)
    preflight.check_backend()
    account = preflight.account(run, region)
    preflight.check_name_is_free(run, settings.NAME)
    provider = settings.secrets_provider(stack)
    settings.write(stack)
    try:
        print(costs())
        print(f"In account {account.id}, {region}, as {account.arn}.")
        confirm(ask)
        must(run, ["pulumi", "stack", "init", settings.NAME, "--secrets-provider", provider])
    except BaseException:
        settings.file().unlink()
        raise
    rows: list[Row] = []
    try:
        write_inventory(ROOT / checks.INVENTORY)
        perform(looking(run, region), rows, go_on=False)
    finally:  # Ctrl-C too: what was made costs
        perform(clean_up.steps(run, region), rows, go_on=True)
    return rows


def clean(stack: str, run: Run) -> list[Row]:
    """Take away what a run left; where nothing is left, say so."""
    region = region_of(stack)
    preflight.check_engine()
    preflight.check_tools(run)
    preflight.check_backend()
    preflight.account(run, region)
    steps = clean_up.steps_without_stack
    if preflight.is_there(run, settings.NAME):
        preflight.check_stack_is_ours(run)
        steps = clean_up.steps
    rows: list[Row] = []
    perform(steps(run, region), rows, go_on=True)
    return rows


def region_of(stack: str) -> str:
    """Return the stack's region. Raises StepError for one that is not on aws."""
    region = stack_files.from_files(stack)[0].get("aws:region", "")
    if not region:
        raise StepError(f"stack {stack} has no aws:region: name one with `target: aws`")
    return region


def costs() -> str:
    """Return what the small stack costs. Raises PriceError."""
    declared, assume = declaration(settings.NAME), Assumptions()
    prices = price_file.read()
    rows = report.priced(billing.charges(declared, assume), prices, settings.NAME)
    for_hours = report.total(rows) / HOURS_PER_MONTH * HOURS
    currency = prices[declared.aws.region].currency
    return (
        f"{report.table(rows)}\n{report.origin(rows, settings.NAME)}\n\n"
        f"{HOURS} hours of it: about {for_hours:.2f} {currency}; keys count by month."
    )


def confirm(ask: Callable[[str], str]) -> None:
    """Ask for the name. Raises StepError when another one, or nothing, is typed."""
    try:
        typed = ask(f"Type {settings.NAME} to make it and destroy it again: ")
    except EOFError:
        raise StepError(NO_TERMINAL) from None
    if typed.strip() != settings.NAME:
        raise StepError(f"{typed!r} was typed, not {settings.NAME}")


def write_inventory(file: Path) -> None:
    """Write the small stack's inventory."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "plugin": "pulumi_stack",
        "stack": settings.NAME,
        "environment": settings.NAME,
        "project": stack_files.project_name(),
        "contract_file": str(checks.FOLDER / "contract.json"),
        "remote_state": True,
        "remedy": f"pulumi up --stack {settings.NAME}",
    }
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def looking(run: Run, region: str) -> dict[str, Callable[[], str]]:
    """Return what is made and looked at, in its order."""
    return {
        "policies": lambda: checks.policies_hold(run),
        "up": lambda: checks.goes_up(run),
        "no changes": lambda: checks.has_no_changes(run),
        "host keys": lambda: checks.knows_host_keys(run, region),
        "ping": lambda: checks.answers_ping(run),
        "instance profile": lambda: checks.profile_is_narrow(run),
        "object lock": lambda: checks.lock_holds(run, region),
        "balancer": lambda: checks.targets_are_registered(run, region),
    }


NEEDED = ("policies", "up")  # without them there is nothing to look at


def perform(steps: Mapping[str, Callable[[], str]], rows: list[Row], *, go_on: bool) -> None:
    """Perform each step and add its row, whatever it raises; with `go_on` not even a needed one ends it."""
    for name, step in steps.items():
        print(f"--- {name}", flush=True)
        begun = time.monotonic()
        try:
            note, held = step(), True
        except StepError as error:
            note, held = str(error), False
        except Exception as error:  # an answer of another shape, say: what was made is taken away all the same
            note, held = f"{type(error).__name__}: {error}", False
        rows.append(Row(step=name, held=held, seconds=time.monotonic() - begun, note=note))
        if not held and name in NEEDED and not go_on:
            return


def table(rows: list[Row]) -> str:
    """Return the rows in columns."""
    width = max(len(row.step) for row in rows)
    lines = [
        f"{row.step:<{width}}  {'held' if row.held else 'NOT':<4}  {row.seconds:7.0f} s  {row.note}" for row in rows
    ]
    return "\n".join(["", *lines])


if __name__ == "__main__":
    sys.exit(main())
