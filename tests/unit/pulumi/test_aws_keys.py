"""Keys: who may do what with each, and that none is ever lost or replaced."""

import json
from typing import Any

import pytest
from infra.aws import key_policies
from infra.aws.key_policies import Account
from infra.aws.partitions import AWS, AWS_CN
from pulumi_recorder import Recording, record

KEY, ALIAS = "aws:kms/key:Key", "aws:kms/alias:Alias"
ROOT = "arn:aws:iam::123456789012:root"
USES = {
    "data": key_policies.data,
    "backup": key_policies.backup,
    "secrets": key_policies.secrets,
    "monitoring": key_policies.monitoring,
}
IN_CHINA = Account(id="123456789012", region="cn-north-1", partition=AWS_CN)
IN_EUROPE = Account(id="123456789012", region="eu-central-1", partition=AWS)


def statements(recording: Recording, use: str) -> dict[str, dict[str, Any]]:
    policy = json.loads(recording.named(f"encryption-{use}", KEY).inputs["policy"])
    return {statement["Sid"]: statement for statement in policy["Statement"]}


def test_each_use_has_a_key_of_its_own(production: Recording) -> None:
    assert {key.name for key in production.of_type(KEY)} == {f"encryption-{use}" for use in USES}
    names = {alias.inputs["name"]: alias.inputs["targetKeyId"] for alias in production.of_type(ALIAS)}
    assert set(names) == {f"alias/freelance-platform-production-{use}" for use in USES}
    assert len(set(names.values())) == len(names)


def test_keys_rotate_and_outlive_the_stack(production: Recording) -> None:
    for key in production.of_type(KEY):
        assert key.inputs["enableKeyRotation"] is True
        assert key.inputs["rotationPeriodInDays"] == 365
        assert key.inputs["deletionWindowInDays"] == 30
        assert key.inputs["bypassPolicyLockoutSafetyCheck"] is False
        assert key.protect
        assert key.retain
        assert key.parent == "encryption"
        assert key.inputs["tags"]["Environment"] == "production"
        assert key.inputs["description"].startswith("freelance-platform-production: ")


def test_who_administers_a_key_can_change_its_policy_and_not_use_it(production: Recording) -> None:
    for use in USES:
        administration = statements(production, use)["AdministrationByIam"]
        assert administration["Principal"] == {"AWS": ROOT}
        assert "Condition" not in administration
        actions = set(administration["Action"])
        assert {"kms:PutKeyPolicy", "kms:GetKeyPolicy", "kms:CancelKeyDeletion"} <= actions
        using = ("Encrypt", "Decrypt", "GenerateDataKey", "ReEncrypt", "CreateGrant", "*")
        assert not [action for action in actions if action.removeprefix("kms:").startswith(using)]


def test_no_statement_is_without_a_limit_or_names_everybody(production: Recording) -> None:
    for use in USES:
        for sid, statement in statements(production, use).items():
            assert statement["Effect"] == "Allow"
            assert not [action for action in statement["Action"] if "*" in action]
            assert statement["Principal"] == {"AWS": ROOT} or set(statement["Principal"]) == {"Service"}
            assert sid == "AdministrationByIam" or statement["Condition"]


@pytest.mark.parametrize(
    ("use", "sid", "service"),
    [
        ("data", "VolumesThroughEc2", "ec2"),
        ("data", "GrantsToEc2", "ec2"),
        ("backup", "ObjectsThroughS3", "s3"),
        ("secrets", "SecretsThroughTheirManager", "secretsmanager"),
    ],
)
def test_a_key_is_used_through_its_service_alone_and_by_its_account(
    production: Recording, use: str, sid: str, service: str
) -> None:
    statement = statements(production, use)[sid]
    assert statement["Principal"] == {"AWS": ROOT}
    assert statement["Condition"]["StringEquals"] == {
        "kms:CallerAccount": "123456789012",
        "kms:ViaService": f"{service}.eu-central-1.amazonaws.com",
    }


def test_ec2_gets_grants_for_its_own_resources_only(production: Recording) -> None:
    grants = statements(production, "data")["GrantsToEc2"]
    assert grants["Action"] == ["kms:CreateGrant"]
    assert grants["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}
    others = [s for use in USES for sid, s in statements(production, use).items() if sid != "GrantsToEc2"]
    assert not [statement for statement in others if "kms:CreateGrant" in statement["Action"]]


def test_logs_and_alarms_use_their_key_for_this_account_alone(production: Recording) -> None:
    found = statements(production, "monitoring")
    logs, alarms = found["LogGroupsOfTheAccount"], found["AlarmsOfTheAccount"]
    assert logs["Principal"] == {"Service": "logs.eu-central-1.amazonaws.com"}
    assert logs["Condition"] == {
        "ArnLike": {"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:eu-central-1:123456789012:log-group:*"}
    }
    assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    assert alarms["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]


@pytest.mark.parametrize("use", USES)
def test_policies_follow_the_partition(use: str) -> None:
    text = json.dumps(key_policies.policy(IN_CHINA, USES[use](IN_CHINA)))
    assert "arn:aws:" not in text
    assert "eu-central-1" not in text
    european = json.dumps(key_policies.policy(IN_EUROPE, USES[use](IN_EUROPE)))
    # The service principal of CloudWatch is the same in both.
    translated = european.replace("arn:aws:", "arn:aws-cn:").replace("eu-central-1", "cn-north-1")
    assert text.replace(".amazonaws.com.cn", ".amazonaws.com") == translated


def test_a_second_repository_has_a_key_in_its_own_region() -> None:
    recording = record("production", backup_second_region="eu-west-1")
    key = recording.named("encryption-backup-eu-west-1", KEY)
    assert key.inputs["region"] == recording.named("encryption-backup-eu-west-1", ALIAS).inputs["region"] == "eu-west-1"
    (_, objects) = json.loads(key.inputs["policy"])["Statement"]
    assert objects["Condition"]["StringEquals"]["kms:ViaService"] == "s3.eu-west-1.amazonaws.com"
    assert (key.protect, key.retain) == (True, True)
    assert "region" not in recording.named("encryption-backup", KEY).inputs
