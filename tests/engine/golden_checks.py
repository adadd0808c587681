"""What holds of every example stack after an `up` on the real engine."""

import pytest
from engine_workspace import Engine
from golden_files import CONTRACT, RESOURCES, contract_of, file_of, listed, resources_of, unified
from infra.contract import Contract

TOLD_BY_A_STATE = ("inputs", "parent", "protect", "retain_on_delete")
# What a host needs before it boots: it installs packages and reaches its backups as soon as it is up.
BEFORE_HOSTS = (
    "aws:ec2/nat",
    "aws:ec2/route",
    "aws:ec2/vpcEndpoint:",
    "aws:iam/instanceProfile:",
    "aws:kms/",
    "aws:vpc/",
)


def assert_golden(engine: Engine) -> None:
    """The state and the contract are the ones that were reviewed, and the contract's own reader takes it."""
    golden = {
        name: {key: value for key, value in entry.items() if key in TOLD_BY_A_STATE}
        for name, entry in resources_of(engine.stack).items()
    }
    if changed := unified(listed(golden), listed(engine.declared()), str(file_of(engine.stack, RESOURCES))):
        pytest.fail(changed)
    contract = engine.contract()
    assert contract == contract_of(engine.stack), file_of(engine.stack, CONTRACT)
    assert Contract.from_json(contract).to_json() == contract


def assert_order(engine: Engine) -> None:
    """Each resource was made after all that it depends on, and hosts after what they need to boot."""
    made = {line["id"]: number for number, line in enumerate(engine.journal()) if line["operation"] == "create"}
    state = {one["urn"]: one for one in engine.state()}
    for one in state.values():
        for urn in one.get("dependencies", ()) if one.get("id") in made else ():
            before = state[urn].get("id")
            assert before not in made or made[before] < made[one["id"]], f"{one['urn']} came before {urn}"
    hosts = [number for number, line in enumerate(engine.journal()) if line["type"] == "aws:ec2/instance:Instance"]
    late = [line for line in engine.journal(min(hosts)) if line["type"].startswith(BEFORE_HOSTS)]
    assert not late, "hosts were made before these"


def assert_settled(engine: Engine) -> None:
    """Neither `refresh` nor another `up` finds anything to change."""
    before = len(engine.journal())
    engine.run("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    engine.run("up", "--yes", "--skip-preview", "--expect-no-changes")
    assert engine.changes(before) == []
    assert_golden(engine)
