"""A deployer reaches its own stack alone: neither another project's things nor those of another environment."""

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from deployer import document, policies
from deployer.__main__ import EXAMPLE, OPTIONS, for_first_proof
from deployer.scope import scope_of
from deployer.table import needs
from dry_run import ACCOUNT as OF_DRY_RUNS
from dry_run import Declaration, declaration_of, example_stacks
from infra import stack_files

from tests.unit.deployer.evaluation import allows

ROOT = Path(__file__).parents[3]
ACCOUNT = "123456789012"
PROJECT, REGION = "freelance-platform", "eu-central-1"
HERE = {"aws:RequestedRegion": REGION}
ROLE, PROFILE = "aws:iam/role:Role", "aws:iam/instanceProfile:InstanceProfile"
OTHERS: tuple[dict[str, str], ...] = (
    {},
    {"Project": PROJECT},
    {"Project": PROJECT, "Environment": "staging"},
    {"Environment": "production"},
)
OWN = {"Project": PROJECT, "Environment": "production"}
# One of each service, and what would hurt most. All are on resources that are told by their tags.
CHANGES = (
    "cloudwatch:DeleteAlarms",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateSnapshot",
    "ec2:CreateSubnet",
    "ec2:DeleteVolume",
    "ec2:ModifyInstanceAttribute",
    "ec2:TerminateInstances",
    "elasticloadbalancing:DeleteLoadBalancer",
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "logs:DeleteLogGroup",
    "sns:DeleteTopic",
)
CREATIONS = (
    "cloudwatch:PutMetricAlarm",
    "ec2:CreateSnapshot",
    "ec2:CreateVolume",
    "ec2:RunInstances",
    "elasticloadbalancing:CreateLoadBalancer",
    "kms:CreateKey",
    "logs:CreateLogGroup",
    "sns:CreateTopic",
)
TAGGINGS = (
    "cloudwatch:TagResource",
    "elasticloadbalancing:AddTags",
    "kms:TagResource",
    "logs:TagResource",
    "sns:TagResource",
)
Statements = list[dict[str, Any]]


def tagged(**tags: str) -> dict[str, str]:
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}


def asked(**tags: str) -> dict[str, str]:
    return {f"aws:RequestTag/{key}": value for key, value in tags.items()}


def of_kind(declared: Declaration, kind: str, key: str) -> list[str]:
    return [str(each.inputs[key]) for each in declared.resources if each.type == kind]


def of_stack(declared: Declaration) -> Statements:
    return list(document.statements(needs(declared.types, declared.lookups), scope_of(declared)))


@pytest.mark.parametrize("action", CHANGES)
def test_what_has_not_both_tags_of_the_stack_is_not_changed(statements: Statements, action: str) -> None:
    arn = f"arn:aws:{policies.service(action)}:{REGION}:{ACCOUNT}:thing/one"
    assert allows(statements, action, arn, HERE | tagged(**OWN))
    assert not [tags for tags in OTHERS if allows(statements, action, arn, HERE | tagged(**tags))]
    assert not allows(statements, action, arn, {"aws:RequestedRegion": "eu-west-1"} | tagged(**OWN))


@pytest.mark.parametrize("action", CREATIONS)
def test_what_is_made_gets_both_tags_of_the_stack(statements: Statements, action: str) -> None:
    arn = f"arn:aws:{policies.service(action)}:{REGION}:{ACCOUNT}:thing/new"
    assert allows(statements, action, arn, HERE | asked(**OWN))
    assert not [tags for tags in OTHERS if allows(statements, action, arn, HERE | asked(**tags))]


@pytest.mark.parametrize("action", [*TAGGINGS, "cloudwatch:PutMetricAlarm", "ec2:CreateTags"])
def test_what_another_stack_has_tagged_is_not_taken_over(statements: Statements, action: str) -> None:
    arn = f"arn:aws:{policies.service(action)}:{REGION}:{ACCOUNT}:volume/one"
    assert allows(statements, action, arn, HERE | asked(**OWN))  # it is new, or nobody's
    for tags in OTHERS[1:]:
        assert not allows(statements, action, arn, HERE | asked(**OWN) | tagged(**tags)), tags


def test_of_what_ec2_has_without_tags_only_what_gets_them_late_is_tagged(statements: Statements) -> None:
    def may(kind: str, **context: str) -> bool:
        arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:{kind}/one"
        return allows(statements, "ec2:CreateTags", arn, HERE | asked(**OWN) | context)

    assert may("instance", **{"ec2:CreateAction": "RunInstances"})
    assert may("volume")  # an instance's root volume
    assert may("security-group")  # the one that a VPC has by itself
    assert may("security-group-rule")  # the provider tags it by a call of its own
    assert not [kind for kind in ("instance", "network-interface", "snapshot", "subnet", "vpc") if may(kind)]


def test_a_rule_is_added_to_a_group_of_the_stack_alone(statements: Statements) -> None:
    """EC2 may ask for the group and for the rule, which has no tags yet."""
    group, rule = (f"arn:aws:ec2:{REGION}:{ACCOUNT}:{kind}/one" for kind in ("security-group", "security-group-rule"))
    for action in ("ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress"):
        assert allows(statements, action, rule, HERE)
        assert allows(statements, action, group, HERE | tagged(**OWN))
        assert not [tags for tags in OTHERS if allows(statements, action, group, HERE | tagged(**tags))]


def test_a_volume_that_is_deleted_leaves_its_last_snapshot(statements: Statements) -> None:
    """EC2 asks for the volume and for the snapshot: each needs a statement."""
    volume, snapshot = (f"arn:aws:ec2:{REGION}:{ACCOUNT}:{kind}/one" for kind in ("volume", "snapshot"))
    assert allows(statements, "ec2:CreateSnapshot", volume, HERE | tagged(**OWN))
    assert allows(statements, "ec2:CreateSnapshot", snapshot, HERE | asked(**OWN))
    assert allows(statements, "ec2:CreateTags", snapshot, HERE | asked(**OWN) | {"ec2:CreateAction": "CreateSnapshot"})
    assert allows(statements, "ec2:DescribeSnapshots", "*", HERE)


def test_a_host_needs_its_image_described_also_where_the_settings_name_it(
    stacks: dict[str, Declaration],
) -> None:
    assert not stacks["production-cn"].lookups & {"aws:ec2/getAmi:getAmi"}
    here = {"aws:RequestedRegion": stacks["production-cn"].aws.region}
    assert allows(of_stack(stacks["production-cn"]), "ec2:DescribeImages", "*", here)


@pytest.mark.parametrize("action", ["iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:DeleteRole"])
def test_a_role_of_another_stack_can_neither_be_changed_nor_passed(
    statements: Statements, stacks: dict[str, Declaration], action: str
) -> None:
    passed = {"iam:PassedToService": "ec2.amazonaws.com"}
    own = of_kind(stacks["production"], ROLE, "name")
    assert len(set(own)) == 3
    for name in own:
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        assert allows(statements, action, arn)
        assert allows(statements, "iam:PassRole", arn, passed)
    foreign = {*of_kind(stacks["staging"], ROLE, "name"), "database-role-1234567", f"{own[0]}-2", "deployer"}
    for name in foreign:
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        assert not allows(statements, action, arn), name
        assert not allows(statements, "iam:PassRole", arn, passed), name


def test_a_profile_of_another_stack_gets_no_role(statements: Statements, stacks: dict[str, Declaration]) -> None:
    for stack in ("production", "staging"):
        for name in of_kind(stacks[stack], PROFILE, "name"):
            arn = f"arn:aws:iam::{ACCOUNT}:instance-profile/{name}"
            assert allows(statements, "iam:AddRoleToInstanceProfile", arn) == (stack == "production"), name


def test_no_two_stacks_share_a_name_of_iam_or_of_a_key(stacks: dict[str, Declaration]) -> None:
    for kind in (ROLE, PROFILE, "aws:kms/alias:Alias"):
        names = [name for declared in stacks.values() for name in of_kind(declared, kind, "name")]
        assert names
        assert len(set(names)) == len(names)


def test_a_stack_whose_name_goes_on_from_anothers_keeps_its_buckets_to_itself() -> None:
    config, secret = stack_files.from_files("production")
    other = declaration_of("production-backup", config, secret)
    theirs = [name.replace(OF_DRY_RUNS, ACCOUNT) for name in of_kind(other, "aws:s3/bucket:Bucket", "bucket")]
    assert theirs
    ours = scope_of(declaration_of("production", config, secret)).buckets
    assert not [(name, pattern) for name in theirs for pattern in ours if fnmatchcase(name, pattern)]


def test_names_of_the_longest_stack_fit_into_iam() -> None:
    config, secret = stack_files.from_files("production")
    longest = "a" * 19  # freelance-platform-…-backup-logs-<account> is then as long as S3 takes it
    declared = declaration_of(longest, config, secret)
    buckets = of_kind(declared, "aws:s3/bucket:Bucket", "bucket")
    assert max(map(len, buckets)) == 63
    # Source: IAM user guide, "IAM and AWS STS quotas": 64 characters of a role's name, 128 of a profile's.
    assert max(map(len, of_kind(declared, ROLE, "name"))) <= 64


@pytest.mark.parametrize("action", ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"])
def test_aliases_of_other_stacks_and_of_the_states_key_stay(
    statements: Statements, stacks: dict[str, Declaration], action: str
) -> None:
    def may(alias: str) -> bool:
        return allows(statements, action, f"arn:aws:kms:{REGION}:{ACCOUNT}:{alias}", HERE)

    own = of_kind(stacks["production"], "aws:kms/alias:Alias", "name")
    assert own
    assert all(map(may, own))
    for stack in ("staging", "production-cn"):
        assert not any(map(may, of_kind(stacks[stack], "aws:kms/alias:Alias", "name")))
    assert not may(f"alias/{PROJECT}-state")


NAMES = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
TYPES = "route53:ChangeResourceRecordSetsRecordTypes"
ZONE = "arn:aws:route53:::hostedzone/Z0123456789"


def test_records_are_changed_below_the_stacks_domain_alone(
    statements: Statements, stacks: dict[str, Declaration]
) -> None:
    def may(*names: str, kind: str = "A") -> bool:
        return allows(statements, "route53:ChangeResourceRecordSets", ZONE, {NAMES: names, TYPES: (kind,)})

    own = of_kind(stacks["production"], "aws:route53/record:Record", "name")
    assert len(own) > 5
    assert may(*own)
    assert not any(map(may, of_kind(stacks["staging"], "aws:route53/record:Record", "name")))
    for name in ("www.example.com", "freelance-platform.internal", "evilproduction.freelance-platform.internal"):
        assert not may(name), name
        assert not may(own[0], name), name  # one batch of changes
    assert not may(own[0], kind="NS")
    assert not allows(statements, "route53:ChangeResourceRecordSets", ZONE)


def test_zones_are_made_and_tied_for_vpcs_of_the_stacks_region_alone(statements: Statements) -> None:
    def may(action: str, *vpcs: str) -> bool:
        return allows(statements, action, ZONE, {"route53:VPCs": vpcs} if vpcs else {})

    for change in ("CreateHostedZone", "AssociateVPCWithHostedZone", "DisassociateVPCFromHostedZone"):
        action = f"route53:{change}"
        assert may(action, f"VPCId=vpc-0123,VPCRegion={REGION}")
        assert not may(action, "VPCId=vpc-0123,VPCRegion=eu-west-1")
        assert not may(action), "a public zone"


def test_in_an_existing_vpc_zones_are_tied_to_that_one_alone(every: list[Declaration]) -> None:
    (number,) = [place for place, option in enumerate(OPTIONS) if "vpc_id" in option]
    made = of_stack(every[len(example_stacks()) + number])
    for vpc in ("vpc-00000000", "vpc-11111111"):
        context = {"route53:VPCs": (f"VPCId={vpc},VPCRegion={REGION}",)}
        assert allows(made, "route53:CreateHostedZone", "*", context) == (vpc == "vpc-00000000")


@pytest.mark.parametrize("page", ["aws.md", "aws.zh-CN.md"])
def test_the_guide_names_each_change_that_iam_can_tie_to_no_stack(statements: Statements, page: str) -> None:
    """Source: Service Authorization Reference, "Actions, resources, and condition keys" of Route 53, EC2 and SNS."""
    zones = [s for s in statements if "Condition" not in s and any(a.startswith("route53:") for a in s["Action"])]
    anywhere = [s for s in statements if s["Sid"] == "WhatIamCantTieToAResource"]
    reads = ("route53:Get", "route53:List")
    free = {action for s in zones + anywhere for action in s["Action"] if not action.startswith(reads)}
    assert {"route53:ChangeTagsForResource", "route53:DeleteHostedZone", "route53:UpdateHostedZoneComment"} < free
    assert "route53:ChangeResourceRecordSets" not in free
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert not [action for action in free if f"`{action}`" not in text]


def test_the_first_proofs_role_does_not_reach_the_stack_that_it_speaks_for() -> None:
    made = [s for text in for_first_proof(EXAMPLE).values() for s in json.loads(text)["Statement"]]
    instance = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1"
    for environment in ("production", "smoke"):
        context = HERE | tagged(Project=PROJECT, Environment=environment)
        assert allows(made, "ec2:TerminateInstances", instance, context) == (environment == "smoke")
        role = f"arn:aws:iam::{ACCOUNT}:role/{PROJECT}-{environment}-database"
        assert allows(made, "iam:PutRolePolicy", role) == (environment == "smoke")


def test_a_role_takes_all_policies_of_a_stack(made: dict[str, str]) -> None:
    assert len(made) <= 10  # IAM user guide, "IAM and AWS STS quotas": managed policies attached to a role
