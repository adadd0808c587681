"""Estimate a stack's month: `make cost STACK=production`; read its prices from AWS: `make prices STACK=production`."""

import argparse
import sys

import yaml
from dry_run import declaration
from infra.problems import SettingsError

from cost import billing, managed, price_file, refresh, report
from cost.assumptions import Assumptions


def main() -> int:
    """Exit status 1 with the reason and the remedy on standard error."""
    parser = argparse.ArgumentParser(prog="cost", description=__doc__)
    parser.add_argument("command", choices=("show", "refresh"))
    parser.add_argument("stack", help="the one of Pulumi.<stack>.yaml")
    given = parser.parse_args()
    try:
        print(show(given.stack) if given.command == "show" else refresh.of_stack(given.stack, needed(given.stack)))
    except SettingsError as error:
        print(f"Settings of stack {given.stack} refused (Pulumi.{given.stack}.yaml):\n{error}", file=sys.stderr)
        return 1
    except (billing.UnknownTypeError, price_file.PriceError, OSError, yaml.YAMLError) as error:
        print(f"cost: {error}", file=sys.stderr)
        return 1
    return 0


def show(stack: str) -> str:
    """Return the estimate. Raises SettingsError, PriceError and UnknownTypeError."""
    declared, assume = declaration(stack), Assumptions()
    settings = declared.settings
    own = billing.charges(declared, assume)
    services = {billing.component_of(plan.name) for plan in declared.topology.service_hosts}
    database = frozenset(charge.component for charge in own) - services
    return report.page(
        own,
        managed.charges(settings, declared.aws, assume),
        database,
        price_file.read(),
        assume,
        stack=stack,
        region=declared.aws.region,
    )


def needed(stack: str) -> set[tuple[str, str]]:
    """Return (region, price) of all that the stack's estimate asks for."""
    declared, assume = declaration(stack), Assumptions()
    every = [*billing.charges(declared, assume), *managed.charges(declared.settings, declared.aws, assume)]
    return {(charge.region, charge.key) for charge in every}


if __name__ == "__main__":
    sys.exit(main())
