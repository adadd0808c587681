"""The deployer may do what the program needs and nothing else, and the policies that are checked in say so."""

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader  # type: ignore[import-untyped]  # it has no types
from deployer import __main__ as command
from deployer import policies, table
from deployer.__main__ import (
    NAME,
    OPERATOR,
    PROOF,
    STATE_COPY,
    deploying,
    for_first_proof,
    for_operator,
    for_state_copy,
)
from deployer.scope import scope_of
from dry_run import Declaration, Resource

from tests.unit.deployer.evaluation import allows

ROOT = Path(__file__).parents[3]
PROJECT = "freelance-platform"
# Where the SDK calls a service otherwise than IAM does, and actions that are no operation of the API.
# Source: Service Authorization Reference, "Actions, resources, and condition keys" of each service.
SDK_NAMES = {"elasticloadbalancing": "elbv2", "tag": "resourcegroupstaggingapi"}
NO_OPERATION = {
    "ec2-instance-connect:OpenTunnel",
    "iam:PassRole",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "s3:BypassGovernanceRetention",
    "s3:DeleteObjectVersion",
    "s3:GetAccelerateConfiguration",
    "s3:GetBucketCORS",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:GetReplicationConfiguration",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:ListTagsForResource",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:TagResource",
    "s3:UntagResource",
}


def actions_of(statements: list[dict[str, Any]]) -> set[str]:
    return {action for statement in statements for action in statement["Action"]}


def of_table() -> Iterator[str]:
    rows = table.rows()
    for row in [*rows["types"].values(), *rows["shared"].values()]:
        for kind in ("look", "make", "change", "anywhere"):
            yield from row.get(kind, ())
    for looked in rows["lookups"].values():
        yield from looked
    for row in rows["commands"].values():
        for actions in row.values():
            yield from actions


def test_the_policies_that_are_checked_in_are_what_the_program_needs_now(made: dict[str, str]) -> None:
    """`make deployer-policy` writes them."""
    files = [path for name in (NAME, OPERATOR, PROOF, STATE_COPY) for path in (ROOT / "docs").glob(f"{name}*.json")]
    found = {path.name: path.read_text(encoding="utf-8") for path in files}
    others = for_operator("production") | for_state_copy("production") | for_first_proof("production")
    assert found == made | others


def test_each_type_and_lookup_of_each_example_stack_is_covered(
    stacks: dict[str, Declaration], statements: list[dict[str, Any]]
) -> None:
    allowed, rows = actions_of(statements), table.rows()
    assert stacks
    for declared in stacks.values():
        for kind in declared.types:
            wanted = {
                action for key in ("look", "make", "change", "anywhere") for action in rows["types"][kind].get(key, ())
            }
            assert wanted
            assert wanted <= allowed, kind
        assert {action for lookup in declared.lookups for action in rows["lookups"][lookup]} <= allowed


def test_no_action_is_allowed_that_nothing_needs(
    every: list[Declaration], stacks: dict[str, Declaration], statements: list[dict[str, Any]]
) -> None:
    rows = table.rows()
    types = {kind for declared in every for kind in declared.types}
    lookups = {lookup for declared in every for lookup in declared.lookups}
    lists = [row for kind in types for row in rows["types"][kind].values() if isinstance(row, list)]
    services = {policies.service(action) for actions in lists for action in actions}
    lists += [actions for name, row in rows["shared"].items() if name in services for actions in row.values()]
    lists += [rows["lookups"][lookup] for lookup in lookups]
    needed = {action for actions in lists for action in actions}
    if any("linked_role" in rows["types"][kind] for kind in types):
        needed.add("iam:CreateServiceLinkedRole")
    beside = deploying(table.needs(frozenset(), frozenset()), scope_of(stacks["production"]))  # the state, the prices
    assert actions_of(statements) - actions_of(beside) <= needed


def test_each_action_is_an_operation_of_the_api() -> None:
    loader = Loader()
    wanted = {tuple(action.split(":")) for action in set(of_table()) - NO_OPERATION}
    known = {
        service: loader.load_service_model(SDK_NAMES.get(service, service), "service-2")["operations"]
        for service in {service for service, _ in wanted}
    }
    assert not [f"{service}:{name}" for service, name in wanted if name not in known[service]]


def test_each_list_of_actions_is_in_order_so_that_two_people_do_not_add_one_twice() -> None:
    for row in [*table.rows()["types"].values(), *table.rows()["shared"].values()]:
        for kind in ("look", "make", "change", "anywhere"):
            listed = row.get(kind, [])
            assert listed == sorted(set(listed))


def test_no_action_and_no_service_is_allowed_as_a_whole(statements: list[dict[str, Any]]) -> None:
    assert not [action for action in actions_of(statements) if "*" in action]
    unscoped = [s["Sid"] for s in statements if s["Resource"] == ["*"] and "Condition" not in s]
    assert unscoped == ["ReadPrices"]  # IAM scopes it neither by resource, tag or region


def test_nothing_is_deleted_but_by_tag_or_by_name(statements: list[dict[str, Any]]) -> None:
    changed = next(set(s["Action"]) for s in statements if s["Sid"] == "ChangeWhatHasTheTags")
    assert {"ec2:DeleteVolume", "ec2:TerminateInstances", "kms:ScheduleKeyDeletion"} <= changed
    deleting = {action for action in actions_of(statements) if ":Delete" in action or "Terminate" in action}
    scoped = {action for statement in statements if statement["Resource"] != ["*"] for action in statement["Action"]}
    free = {"ec2:DeleteSubnetCidrReservation"}  # IAM knows no resource of it
    assert deleting - changed - scoped <= free


def test_each_regional_permission_ends_at_the_stacks_regions(statements: list[dict[str, Any]]) -> None:
    # Zones have no region, but their VPCs have; keys are asked for through a service of one.
    elsewhere = ("EncryptVolumes", "ReadPrices", "TryKeysOfSecrets", "ZonesOfVpcs")
    for statement in statements:
        if statement["Resource"] == ["*"] and statement["Sid"] not in elsewhere:
            assert statement["Condition"]["StringEquals"]["aws:RequestedRegion"] == ["eu-central-1"], statement["Sid"]


def test_roles_are_given_to_services_of_the_program_alone(statements: list[dict[str, Any]]) -> None:
    (given,) = [statement for statement in statements if "iam:PassRole" in statement["Action"]]
    services = given["Condition"]["StringEquals"]["iam:PassedToService"]
    assert services == ["ec2.amazonaws.com", "vpc-flow-logs.amazonaws.com"]


def test_a_bucket_is_found_by_its_name_and_no_other_bucket_is(statements: list[dict[str, Any]]) -> None:
    for statement in statements:
        if any(action.startswith("s3:") for action in statement["Action"]):
            assert all(arn.startswith(f"arn:aws:s3:::{PROJECT}-") for arn in statement["Resource"])


def test_nothing_that_is_kept_by_the_lock_may_be_deleted_before_its_time(statements: list[dict[str, Any]]) -> None:
    forbidden = {"s3:BypassGovernanceRetention", "s3:DeleteObjectVersion", "s3:PutObjectRetention"}
    assert not forbidden & actions_of(statements)


def test_each_policy_is_of_the_size_that_iam_takes(made: dict[str, str]) -> None:
    for text in made.values():
        assert len("".join(text.split())) <= 6144


def test_statements_that_do_not_fit_go_into_another_policy() -> None:
    many = [policies.allow(f"S{number}", {f"ec2:Describe{'x' * 100}"}, ["*"]) for number in range(100)]
    made = policies.policies(many)
    assert len(made) > 1
    assert [statement for each in made for statement in each["Statement"]] == many
    assert all(policies.size(each["Statement"]) <= 6144 for each in made)


def test_a_type_that_nobody_has_looked_at_is_refused(stacks: dict[str, Declaration]) -> None:
    new = Resource(type="aws:rds/instance:Instance", name="x", owner="x", components=(), inputs={})
    declared = dataclasses.replace(stacks["production"], resources=(new,))
    with pytest.raises(table.UncoveredError, match="aws:rds/instance:Instance needs: add each to"):
        table.needs(declared.types, frozenset())
    with pytest.raises(table.UncoveredError, match="getThing"):
        table.needs(frozenset(), frozenset({"aws:ec2/getThing:getThing"}))


def test_the_state_has_a_bucket_and_a_key_of_its_own(statements: list[dict[str, Any]]) -> None:
    by_sid = {statement["Sid"]: statement for statement in statements}
    condition = by_sid["EncryptState"]["Condition"]
    assert condition == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": f"alias/{PROJECT}-state"}}


def test_the_record_of_another_stack_in_the_same_bucket_is_read_and_not_written(
    statements: list[dict[str, Any]],
) -> None:
    """Paths: pulumi, pkg/backend/diy (store.go, lock.go, state.go, stack_tags.go)."""

    def may(action: str, path: str) -> bool:
        return allows(statements, f"s3:{action}", f"arn:aws:s3:::{PROJECT}-state-123456789012/.pulumi/{path}")

    assert may("PutObject", "meta.yaml")
    for path in (
        f"stacks/{PROJECT}/%s.json",
        f"stacks/{PROJECT}/%s.json.bak",
        f"stacks/{PROJECT}/%s.pulumi-tags",
        f"backups/{PROJECT}/%s/%s.1.json",
        f"history/{PROJECT}/%s/%s-1.history.json",
        f"locks/organization/{PROJECT}/%s/1.json",
    ):
        for action in ("DeleteObject", "PutObject"):
            assert may(action, path.replace("%s", "production")), path
            assert not may(action, path.replace("%s", "staging")), path
            assert not may(action, path.replace("%s", "production-cn")), path
    assert may("GetObject", f"stacks/{PROJECT}/staging.json")  # `pulumi stack ls` reads each


def test_the_copy_of_the_state_reads_each_record_and_writes_the_copy_alone() -> None:
    (text,) = for_state_copy("production").values()
    copying = json.loads(text)["Statement"]
    state, copy = (f"arn:aws:s3:::{PROJECT}-state-{which}123456789012" for which in ("", "copy-"))
    for bucket in (state, copy):
        assert allows(copying, "s3:ListBucket", bucket)
        assert allows(copying, "s3:ListBucketVersions", bucket)
    for path in ("meta.yaml", "stacks/other/staging.json", f"locks/organization/{PROJECT}/staging/1.json"):
        assert allows(copying, "s3:GetObject", f"{state}/.pulumi/{path}")
        assert allows(copying, "s3:PutObject", f"{copy}/.pulumi/{path}")
        assert not allows(copying, "s3:PutObject", f"{state}/.pulumi/{path}")
        assert not allows(copying, "s3:DeleteObject", f"{copy}/.pulumi/{path}")


def test_the_command_writes_what_is_new_and_takes_away_what_is_old(
    every: list[Declaration], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (NAME, OPERATOR, PROOF, STATE_COPY):
        (tmp_path / f"{name}-9.json").write_text("{}")
    monkeypatch.setattr(command, "everything", lambda: every)
    monkeypatch.setattr(sys, "argv", ["deployer", "production", "--folder", str(tmp_path)])
    assert command.main() == 0
    assert capsys.readouterr().out.split() == sorted(str(path) for path in tmp_path.iterdir())
    assert {path.name for path in tmp_path.iterdir()} >= {f"{NAME}-1.json", f"{OPERATOR}.json", f"{PROOF}-1.json"}
    assert not list(tmp_path.glob("*-9.json"))


def test_a_stack_that_is_not_there_is_refused_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "everything", list)
    monkeypatch.setattr(sys, "argv", ["deployer", "nowhere", "--folder", str(tmp_path)])
    assert command.main() == 1
    assert "Pulumi.nowhere.yaml" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
