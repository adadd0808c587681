"""Who has the policies of the first proof and nothing else may do all of it, and with the small stack alone."""

import json
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from deployer import table
from deployer.__main__ import PROOF, for_first_proof
from dry_run import ACCOUNT, Declaration, declaration_of
from infra import stack_files
from smoke import __main__ as smoke
from smoke import checks, clean_up, preflight, settings
from smoke.commands import StepError

from tests.unit.smoke.recorded import Recorded

REGION = "eu-central-1"
TUNNEL = "aws ec2-instance-connect open-tunnel"  # SSH's ProxyCommand calls it (pulumi/infra/aws/reach.py)


@pytest.fixture(scope="module")
def small() -> Declaration:
    return declaration_of(settings.NAME, *stack_files.as_passed(settings.config("production")))


@pytest.fixture(scope="module")
def statements() -> list[dict[str, Any]]:
    made = for_first_proof("production")
    assert all(name.startswith(PROOF) and len("".join(text.split())) <= 6144 for name, text in made.items())
    return [statement for text in made.values() for statement in json.loads(text)["Statement"]]


def allowed(statements: list[dict[str, Any]], action: str, arn: str) -> bool:
    return any(
        action in statement["Action"] and any(fnmatch(arn, pattern) for pattern in statement["Resource"])
        for statement in statements
    )


def commands(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return each command of the AWS CLI that a run calls: program, service and operation."""
    monkeypatch.setattr("smoke.checks.time.sleep", lambda _: None)
    run = Recorded()
    rows: list[smoke.Row] = []
    preflight.account(run, REGION)
    smoke.perform(smoke.looking(run, REGION), rows, go_on=True)
    smoke.perform(clean_up.steps(run, REGION), rows, go_on=True)
    return {" ".join(line.split()[:3]) for line in run.asked if line.startswith("aws ")}


def test_each_command_of_a_run_has_its_actions_in_the_policy(
    statements: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    (tmp_path / checks.FOLDER).mkdir(parents=True)
    monkeypatch.setattr(settings, "file", lambda: tmp_path / "Pulumi.smoke.yaml")
    listed = table.rows()["commands"]
    assert commands(monkeypatch) | {TUNNEL} == set(listed)
    every = {action for statement in statements for action in statement["Action"]}
    wanted = {action for row in listed.values() for actions in row.values() for action in actions}
    assert {"ec2:GetConsoleOutput", "ec2-instance-connect:OpenTunnel", "tag:GetResources"} <= wanted
    assert wanted <= every


def test_the_small_stacks_buckets_and_secrets_may_be_made_emptied_and_deleted_and_no_others(
    statements: list[dict[str, Any]], small: Declaration
) -> None:
    buckets = [str(each.inputs["bucket"]) for each in small.resources if each.type == "aws:s3/bucket:Bucket"]
    assert buckets
    for name in buckets:
        arn = f"arn:aws:s3:::{name.replace(ACCOUNT, '123456789012')}"
        for action in ("s3:CreateBucket", "s3:ListBucketVersions", "s3:DeleteBucket"):
            assert allowed(statements, action, arn), action
        for action in ("s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"):
            assert allowed(statements, action, f"{arn}/main/smoke"), action
            assert not allowed(statements, action, f"{arn.replace('smoke', 'production')}/main/smoke"), action
    secret = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:freelance-platform/smoke/x"
    for action in ("secretsmanager:CreateSecret", "secretsmanager:DeleteSecret"):
        assert allowed(statements, action, secret)
        assert not allowed(statements, action, secret.replace("smoke", "production"))


def test_each_type_that_the_small_stack_declares_is_covered(
    statements: list[dict[str, Any]], small: Declaration
) -> None:
    every = {action for statement in statements for action in statement["Action"]}
    needed = table.needs(small.types, small.lookups).actions.values()
    assert frozenset[str]().union(*needed) <= every


def test_where_no_first_proof_can_be_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: str) -> None:
        raise StepError("cn-north-1 has no connect endpoint")

    monkeypatch.setattr(settings, "config", refuse)
    assert for_first_proof("production") == {}
    assert "no policy for a first proof: cn-north-1 has no connect endpoint" in capsys.readouterr().err
