"""Entries of Secrets Manager and what hosts may do: no value is declared, and no host reads one."""

import json
from typing import Any

import pytest
from infra.secret_names import SECRETS
from pulumi_recorder import Recording, Resource, record

SECRET, ROLE, POLICY = "aws:secretsmanager/secret:Secret", "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
PREFIX = "freelance-platform/production"
AUTHORITY = ("ca_certificate", "ca_private_key")


def test_each_secret_of_the_platform_has_an_entry(production: Recording) -> None:
    names = {entry.inputs["name"] for entry in production.of_type(SECRET)}
    assert names == {f"{PREFIX}/{name}" for name in (*SECRETS, *AUTHORITY)}


def test_entries_are_made_without_a_value(production: Recording) -> None:
    allowed = {"description", "kmsKeyId", "name", "policy", "recoveryWindowInDays", "tags"}
    for entry in production.of_type(SECRET):
        assert set(entry.inputs) == allowed
    assert not [r.type for r in production.resources if "secretVersion" in r.type or r.type.startswith("random:")]


def test_entries_are_encrypted_with_the_key_of_secrets(production: Recording) -> None:
    alias = production.named("encryption-secrets", "aws:kms/alias:Alias")
    for entry in production.of_type(SECRET):
        assert entry.inputs["kmsKeyId"].endswith(f":key/{alias.inputs['targetKeyId']}")


def test_entries_outlive_the_stack_and_a_mistake(production: Recording) -> None:
    for entry in production.of_type(SECRET):
        assert (entry.protect, entry.retain, entry.parent) == (True, True, "secrets")
        assert entry.inputs["recoveryWindowInDays"] == 30
        assert entry.inputs["tags"]["Project"] == "freelance-platform"


def test_an_entry_refuses_other_accounts_and_connections_without_tls(production: Recording) -> None:
    for entry in production.of_type(SECRET):
        statements = json.loads(entry.inputs["policy"])["Statement"]
        assert [statement["Condition"] for statement in statements] == [
            {"StringNotEquals": {"aws:PrincipalAccount": "123456789012"}},
            {"Bool": {"aws:SecureTransport": "false"}},
        ]
        for statement in statements:
            assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
            assert statement["Action"] == "secretsmanager:*"


def test_the_contract_refers_to_the_entries_themselves(production: Recording) -> None:
    cluster = production.contract["clusters"]["main"]
    references = [*cluster["secrets"].values(), *cluster["certificate_authority"].values()]
    assert len(set(references)) == len(SECRETS) + len(AUTHORITY)
    for reference in references:
        assert reference.startswith("aws-secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:")


def of_hosts(recording: Recording, kind: str) -> list[Resource]:
    return [resource for resource in recording.of_type(kind) if resource.parent in ("database", "service")]


def statements(recording: Recording) -> list[dict[str, Any]]:
    return [s for policy in of_hosts(recording, POLICY) for s in json.loads(policy.inputs["policy"])["Statement"]]


def test_each_kind_of_host_has_a_role_that_only_ec2_takes(production: Recording) -> None:
    roles = of_hosts(production, ROLE)
    assert {role.name for role in roles} == {"database-role", "service-role"}
    for role in roles:
        (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        assert statement == {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }


def test_a_service_host_may_do_nothing_in_the_account(production: Recording) -> None:
    (policy,) = of_hosts(production, POLICY)
    assert policy.parent == "database"
    of_host = {
        instance.parent: instance.inputs["iamInstanceProfile"]
        for instance in production.of_type("aws:ec2/instance:Instance")
    }
    database = of_host["db1"]
    assert of_host["db2"] == of_host["db3"] == database
    services = {profile for host, profile in of_host.items() if not host.startswith("db")}
    assert services
    assert database not in services


def test_a_database_host_may_use_its_own_backups_and_nothing_else(production: Recording) -> None:
    bucket = "arn:aws:s3:::freelance-platform-production-backup-123456789012"
    listing, objects, key = statements(production)
    assert listing["Action"] == ["s3:ListBucket", "s3:ListBucketVersions"]
    assert listing["Resource"] == bucket
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["main", "main/*"]}}
    assert objects["Action"] == [
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:PutObject",
        "s3:PutObjectTagging",
    ]
    assert objects["Resource"] == f"{bucket}/main/*"
    assert key["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert key["Resource"] == production.contract["clusters"]["main"]["repository"]["kms_key_arn"]
    assert key["Condition"] == {"StringEquals": {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}}
    assert {statement["Effect"] for statement in (listing, objects, key)} == {"Allow"}


def test_no_host_reads_secrets_or_ends_a_version_for_good(production: Recording) -> None:
    actions = [action for statement in statements(production) for action in statement["Action"]]
    assert not [action for action in actions if "*" in action or action.startswith(("secretsmanager:", "iam:"))]
    assert not {"s3:DeleteObjectVersion", "s3:BypassGovernanceRetention", "s3:PutObjectRetention"} & set(actions)


def test_a_second_repository_is_used_with_its_own_key_in_its_own_region() -> None:
    recording = record("production", backup_second_region="eu-west-1")
    first, second = statements(recording)[:3], statements(recording)[3:]
    second_place = recording.contract["clusters"]["main"]["repository"]["second"]
    assert second[1]["Resource"] == "arn:aws:s3:::freelance-platform-production-eu-west-1-123456789012/main/*"
    assert second[2]["Resource"] == second_place["kms_key_arn"] != first[2]["Resource"]
    assert second[2]["Condition"] == {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}


@pytest.mark.parametrize("kind", [SECRET, ROLE, POLICY])
def test_names_follow_the_partition(kind: str) -> None:
    settings: dict[str, Any] = {
        "aws:region": "cn-north-1",
        "zones": [f"cn-north-1{letter}" for letter in "abd"],
        "image_id": "ami-0123456789abcdef0",
        "reach": "vpn",
    }
    recording = record("production", **settings)
    found = recording.of_type(SECRET) if kind == SECRET else of_hosts(recording, kind)
    assert found
    text = json.dumps([resource.inputs for resource in found])
    assert ".amazonaws.com" not in text.replace(".amazonaws.com.cn", "")
