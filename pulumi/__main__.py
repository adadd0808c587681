"""The platform's Pulumi program: a stack's settings become hosts, volumes and a contract that describes them."""

import importlib

import pulumi
from infra import change_rules, export, stack_config, stack_outputs, topology
from infra.problems import SettingsError
from infra.target import Declare


def main() -> None:
    """Settings, then topology, then a target's resources, then the contract."""
    config = pulumi.runtime.config.CONFIG.get()
    secret = [key for key in config if pulumi.runtime.config.is_config_secret(key)]
    try:
        settings = stack_config.read(config, project=pulumi.get_project(), stack=pulumi.get_stack(), secret_keys=secret)
        plan = topology.plan(settings)
        change_rules.refuse_breaking_changes(stack_outputs.exported_contract(), plan)
    except SettingsError as error:
        raise pulumi.RunError(f"Settings of stack {pulumi.get_stack()} refused:\n{error}") from None
    if len(plan.database_hosts) == 1:
        pulumi.log.warn("one database host: no failover; where an outage matters, take 3 hosts in 3 zones")
    # Only the chosen target is imported: each brings its own provider's package.
    declare: Declare = importlib.import_module(f"infra.{settings.target}.program").declare
    pulumi.export("contract", export.contract(plan, declare(plan)))


main()
