"""What holds of every example stack on the real engine: before its first `up` and after one."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from engine_workspace import Engine
from golden_files import CONTRACT, RESOURCES, contract_of, file_of, listed, resources_of, unified
from infra import contract_checks

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

# Types whose resources hold data, or what reads it: they are protected and stay in the account when a stack goes.
KEPT_FOR_EVER = (
    "aws:ebs/volume:Volume",
    "aws:kms/key:Key",
    "aws:s3/bucket:Bucket",
    "aws:secretsmanager/secret:Secret",
)
JUDGED = re.compile(r"^Policies:\n +\S+ freelance-platform@\S+ \(local: \S*pulumi/policy\)$", re.MULTILINE)


def assert_first_preview(engine: Engine) -> str:
    """From nothing, all that was reviewed would be made, and the policy pack judged it; returns what was printed."""
    shown = engine.run("preview").stdout
    assert f"{len(resources_of(engine.stack)) + 1} to create" in shown  # and the stack itself
    assert JUDGED.search(shown), shown[-1000:]
    assert engine.journal() == []
    return shown


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
    assert contract_checks.parse(contract).to_json() == contract


def assert_order(engine: Engine) -> None:
    """Each resource was made after all that it depends on in the state, and that the reviewed file says it waits for.

    Hosts were made after what they need to boot.
    """
    assert_reviewed_order(engine)
    made = {line["id"]: number for number, line in enumerate(engine.journal()) if line["operation"] == "create"}
    state = {one["urn"]: one for one in engine.state()}
    for one in state.values():
        for urn in one.get("dependencies", ()) if one.get("id") in made else ():
            before = state[urn].get("id")
            assert before not in made or made[before] < made[one["id"]], f"{one['urn']} came before {urn}"
    hosts = [number for number, line in enumerate(engine.journal()) if line["type"] == "aws:ec2/instance:Instance"]
    late = [line for line in engine.journal(min(hosts)) if line["type"].startswith(BEFORE_HOSTS)]
    assert not late, "hosts were made before these"


def assert_reviewed_order(engine: Engine) -> None:
    """What the golden file has under `depends_on` was made before."""
    golden = made_of(engine.stack)
    lines = [line for line in engine.journal() if line["operation"] == "create"]
    made = {f"{line['type']} {line['name']}": number for number, line in enumerate(lines)}
    assert set(made) == set(golden)
    waiting = {key: entry["depends_on"] for key, entry in golden.items() if "depends_on" in entry}
    assert waiting, "the golden file has no order"
    for key, names in waiting.items():
        for before in (one for name in names for one in named(golden, name)):
            assert made[before] < made[key], f"{key} came before {before}"


def made_of(stack: str) -> dict[str, dict[str, Any]]:
    """Return the golden resources that the provider makes: all but the components."""
    return {key: entry for key, entry in resources_of(stack).items() if key.startswith("aws:")}


def named(golden: Mapping[str, Mapping[str, Any]], name: str) -> list[str]:
    """Return what a name under `depends_on` stands for: all of a component's own resources, or resources so called."""
    own = [key for key, entry in golden.items() if entry.get("parent") == name]
    found = own or [key for key in golden if key.split(" ", 1)[1] == name]
    assert found, f"the golden file has no {name}"
    return found


def assert_settled(engine: Engine) -> None:
    """Neither `refresh` nor another `up` finds anything to change."""
    before = len(engine.journal())
    engine.run("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    engine.run("up", "--yes", "--skip-preview", "--expect-no-changes")
    assert engine.changes(before) == []
    assert_golden(engine)
