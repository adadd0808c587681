"""The backup store: what can't be deleted, read or written by whom, and what expires when."""

import json
from typing import Any

import pytest
import yaml
from infra import contract_checks, stack_config
from infra.aws import bucket_policies
from infra.contract_checks import ContractError
from infra.problems import SettingsError
from pulumi_recorder import PROJECT, ROOT, Recording, Resource, config_of, record

S3 = "aws:s3/"
BUCKET, POLICY = f"{S3}bucket:Bucket", f"{S3}bucketPolicy:BucketPolicy"
LOCK = f"{S3}bucketObjectLockConfiguration:BucketObjectLockConfiguration"
LIFECYCLE = f"{S3}bucketLifecycleConfiguration:BucketLifecycleConfiguration"
LOGGING = f"{S3}bucketLogging:BucketLogging"
ENCRYPTION = f"{S3}bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
PRIVATE = f"{S3}bucketPublicAccessBlock:BucketPublicAccessBlock"
OWNER = f"{S3}bucketOwnershipControls:BucketOwnershipControls"
VERSIONS = f"{S3}bucketVersioning:BucketVersioning"
ACCOUNT = "123456789012"
NAME = f"freelance-platform-production-backup-{ACCOUNT}"
SIDE = "s3:x-amz-server-side-encryption"
ON_A_HOST = [
    {"name": "store1", "serves": ["repository"], "cores": 2, "memory_mib": 8192, "repository_volume_gib": 1000}
]


@pytest.fixture(scope="module")
def two() -> Recording:
    """Production with a second repository in another region."""
    return record("production", backup_second_region="eu-west-1")


def policy_of(recording: Recording, name: str) -> dict[str, dict[str, Any]]:
    policy = json.loads(recording.named(f"{name}-policy", POLICY).inputs["policy"])
    return {statement["Sid"]: statement for statement in policy["Statement"]}


def of_s3(recording: Recording) -> list[Resource]:
    return [resource for resource in recording.resources if resource.type.startswith(S3)]


def test_buckets_and_all_that_guards_them_outlive_the_stack(two: Recording) -> None:
    assert len(two.of_type(BUCKET)) == 4
    for resource in of_s3(two):
        assert resource.retain, resource.urn
        assert resource.protect == (resource.type == BUCKET), resource.urn
    for bucket in two.of_type(BUCKET):
        assert bucket.inputs["forceDestroy"] is False
        assert bucket.inputs["tags"]["Environment"] == "production"


def test_each_bucket_is_private_versioned_and_its_owners(two: Recording) -> None:
    names = {bucket.inputs["bucket"] for bucket in two.of_type(BUCKET)}
    for kind in (PRIVATE, OWNER, VERSIONS, ENCRYPTION, LIFECYCLE, POLICY):
        assert {resource.inputs["bucket"] for resource in two.of_type(kind)} == names, kind
    for block in two.of_type(PRIVATE):
        for name in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"):
            assert block.inputs[name] is True
    assert all(owner.inputs["rule"] == {"objectOwnership": "BucketOwnerEnforced"} for owner in two.of_type(OWNER))
    assert all(v.inputs["versioningConfiguration"] == {"status": "Enabled"} for v in two.of_type(VERSIONS))


def test_no_bucket_is_replaced_by_a_lock_that_comes_later(two: Recording) -> None:
    for bucket in two.of_type(BUCKET):
        assert bucket.ignore_changes == ("objectLockEnabled",)


def test_backups_are_locked_for_longer_than_they_are_kept(two: Recording) -> None:
    retention_days = two.contract["clusters"]["main"]["repository"]["retention_days"]
    assert {lock.name for lock in two.of_type(LOCK)} == {"backup-lock", "backup-eu-west-1-lock"}
    for lock in two.of_type(LOCK):
        retention = lock.inputs["rule"]["defaultRetention"]
        assert retention["mode"] == "GOVERNANCE"
        assert retention["days"] >= retention_days
        assert two.named(f"{lock.parent}-bucket", BUCKET).inputs["objectLockEnabled"] is True


def test_only_what_was_deleted_expires_and_never_before_its_lock() -> None:
    recording = record("production", backup_retention_days=40, backup_lock_days=50)
    (rule,) = recording.named("backup-lifecycle", LIFECYCLE).inputs["rules"]
    assert rule["status"] == "Enabled"
    assert rule["filter"] == {"prefix": ""}
    assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 50}
    assert recording.named("backup-lock", LOCK).inputs["rule"]["defaultRetention"]["days"] == 50
    # No `days`: pgBackRest expires what is current. A marker of which nothing is left goes.
    assert rule["expiration"] == {"expiredObjectDeleteMarker": True}
    assert rule["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}
    assert "transitions" not in rule


def test_backups_are_encrypted_with_their_own_key(two: Recording) -> None:
    for name, use in (("backup", "backup"), ("backup-eu-west-1", "backup-eu-west-1")):
        (rule,) = two.named(f"{name}-encryption", ENCRYPTION).inputs["rules"]
        default = rule["applyServerSideEncryptionByDefault"]
        key_id = two.named(f"encryption-{use}", "aws:kms/alias:Alias").inputs["targetKeyId"]
        assert default["sseAlgorithm"] == "aws:kms"
        assert default["kmsMasterKeyId"].endswith(f":key/{key_id}")
        assert rule["bucketKeyEnabled"] is True


def test_each_bucket_refuses_whoever_comes_without_tls(two: Recording) -> None:
    for bucket in two.of_type(BUCKET):
        statement = policy_of(two, bucket.name.removesuffix("-bucket"))["TlsOnly"]
        arn = f"arn:aws:s3:::{bucket.inputs['bucket']}"
        assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert statement["Resource"] == [arn, f"{arn}/*"]


def refused(statements: list[Any], request: dict[str, str]) -> bool:
    """Judge one PutObject as IAM does: all operators of a statement must hold; an absent key equals nothing."""

    def holds(operator: str, key: str, wanted: str) -> bool:
        if operator == "Null":
            return (key not in request) == (wanted == "true")
        return (request.get(key) == wanted) == (operator == "StringEquals")

    return any(
        all(
            holds(operator, key, wanted)
            for operator, pairs in statement["Condition"].items()
            for key, wanted in pairs.items()
        )
        for statement in statements
    )


@pytest.mark.parametrize(
    ("request_", "is_refused"),
    [
        ({SIDE: "aws:kms", f"{SIDE}-aws-kms-key-id": "ours"}, False),  # pgBackRest: an object, or an upload's beginning
        ({}, False),  # pgBackRest: a part of an upload; the bucket's default key encrypts whatever names none
        ({SIDE: "aws:kms", f"{SIDE}-aws-kms-key-id": "theirs"}, True),
        ({SIDE: "aws:kms"}, True),  # the account's own key for S3
        ({SIDE: "aws:kms:dsse", f"{SIDE}-aws-kms-key-id": "ours"}, True),
        ({SIDE: "AES256"}, True),
        ({f"{SIDE}-customer-algorithm": "AES256"}, True),
    ],
)
def test_nothing_is_stored_under_another_key(request_: dict[str, str], is_refused: bool) -> None:
    statements = bucket_policies.own_key_only("arn:aws:s3:::b", "ours")
    assert refused(statements, request_) is is_refused
    for statement in statements:
        assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:PutObject")
        assert statement["Resource"] == "arn:aws:s3:::b/*"


def test_the_policy_of_backups_names_their_key(production: Recording) -> None:
    key = production.contract["clusters"]["main"]["repository"]["kms_key_arn"]
    found = policy_of(production, "backup")
    assert found["NoOtherKey"]["Condition"]["StringNotEquals"] == {f"{SIDE}-aws-kms-key-id": key}
    assert list(found) == ["TlsOnly", "NoOtherKey", "NoUnnamedKey", "NoOtherEncryption", "NoKeyOfTheCaller"]


def test_access_is_logged_into_a_bucket_beside_it(two: Recording) -> None:
    for name, kind in (("backup", "backup"), ("backup-eu-west-1", "eu-west-1")):
        logging = two.named(f"{name}-logging", LOGGING).inputs
        assert logging["bucket"] == f"freelance-platform-production-{kind}-{ACCOUNT}"
        assert logging["targetBucket"] == f"freelance-platform-production-{kind}-logs-{ACCOUNT}"
        statement = policy_of(two, f"{name}-logs")["AccessLogs"]
        assert statement["Principal"] == {"Service": "logging.s3.amazonaws.com"}
        assert statement["Action"] == "s3:PutObject"
        assert statement["Resource"] == f"arn:aws:s3:::{logging['targetBucket']}/{logging['targetPrefix']}*"
        assert statement["Condition"] == {
            "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{logging['bucket']}"},
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
        }


def test_logs_can_be_delivered_and_are_not_logged_themselves(two: Recording) -> None:
    logs = {bucket.inputs["bucket"] for bucket in two.of_type(BUCKET) if bucket.name.endswith("-logs-bucket")}
    assert len(logs) == 2
    for name in ("backup", "backup-eu-west-1"):
        assert two.named(f"{name}-logs-bucket", BUCKET).inputs["objectLockEnabled"] is False
    assert not logs & {resource.inputs["bucket"] for resource in [*two.of_type(LOGGING), *two.of_type(LOCK)]}
    for resource in two.of_type(ENCRYPTION):
        if resource.inputs["bucket"] in logs:
            (rule,) = resource.inputs["rules"]
            assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    (rule,) = two.named("backup-logs-lifecycle", LIFECYCLE).inputs["rules"]
    assert rule["expiration"] == {"days": 365}
    assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 30}


def test_a_second_repository_lies_in_its_region_with_all_that_guards_it(two: Recording) -> None:
    for resource in of_s3(two):
        wanted = "eu-west-1" if resource.name.startswith("backup-eu-west-1") else None
        assert resource.inputs.get("region") == wanted, resource.urn
    repository = two.contract["clusters"]["main"]["repository"]
    assert (repository["bucket"], repository["region"]) == (NAME, "eu-central-1")
    second = repository["second"]
    assert second["bucket"] == f"freelance-platform-production-eu-west-1-{ACCOUNT}"
    assert second["region"] == "eu-west-1"
    assert second["kms_key_arn"] != repository["kms_key_arn"]


def test_another_second_region_has_buckets_of_other_names(two: Recording) -> None:
    """Those of the region before it are still there: they are retained."""
    elsewhere = record("production", backup_second_region="eu-north-1")
    both = [{bucket.inputs["bucket"] for bucket in one.of_type(BUCKET)} for one in (two, elsewhere)]
    assert both[0] & both[1] == {NAME, NAME.replace("backup", "backup-logs")}


@pytest.mark.parametrize("region", ["", "eu-west-1", "ap-southeast-1"])
def test_the_settings_allow_as_long_a_stacks_name_as_its_buckets_do(region: str) -> None:
    buckets = record("production", backup_second_region=region).of_type(BUCKET)
    longest = 63 - max(len(bucket.inputs["bucket"].replace("production", "")) for bucket in buckets)
    config = config_of("production", backup_second_region=region)
    assert stack_config.read(config, project=PROJECT, stack="s" * longest)
    with pytest.raises(SettingsError, match="a bucket's name would have 64 letters, 63 at most"):
        stack_config.read(config, project=PROJECT, stack="s" * (longest + 1))


def test_nobody_replicates_what_pgbackrest_writes_twice(two: Recording) -> None:
    assert not [resource.type for resource in of_s3(two) if "eplication" in resource.type]


def test_without_a_second_region_there_is_one_repository(production: Recording) -> None:
    assert production.contract["clusters"]["main"]["repository"]["second"] is None
    assert {bucket.name for bucket in production.of_type(BUCKET)} == {"backup-bucket", "backup-logs-bucket"}


def test_a_contract_whose_repositories_share_a_region_is_refused(two: Recording) -> None:
    value = json.loads(json.dumps(two.contract))
    value["clusters"]["main"]["repository"]["second"]["region"] = "eu-central-1"
    with pytest.raises(ContractError, match="both repositories of cluster main lie in eu-central-1; name another"):
        contract_checks.parse(value)


def test_a_service_host_takes_the_place_of_the_bucket() -> None:
    recording = record("production", services=ON_A_HOST, backup_retention_days=20, backup_lock_days=27)
    repository = recording.contract["clusters"]["main"]["repository"]
    assert repository == {"type": "host", "host": "store1", "retention_days": 20}
    assert not of_s3(recording)
    assert not [key.name for key in recording.of_type("aws:kms/key:Key") if "backup" in key.name]
    allowed = [resource.name for resource in recording.of_type("aws:iam/rolePolicy:RolePolicy")]
    assert allowed == ["network-flow-logs-delivery"]


def test_a_repository_host_and_database_hosts_reach_each_other_by_pgbackrest_alone() -> None:
    recording = record("production", services=ON_A_HOST)
    for way in ("Ingress", "Egress"):
        kind = f"aws:vpc/securityGroup{way}Rule:SecurityGroup{way}Rule"
        rules = [rule.inputs for rule in recording.of_type(kind) if "-repository-" in rule.name]
        assert [rule["fromPort"] for rule in rules] == [rule["toPort"] for rule in rules] == [8432, 8432]
        (one, other) = [(rule["securityGroupId"], rule["referencedSecurityGroupId"]) for rule in rules]
        assert one == other[::-1]


def test_retention_is_one_number_for_bucket_and_pgbackrest(production: Recording) -> None:
    """Roles that are played without the contract keep for as long as the settings' default says."""
    given = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]["backup_retention_days"]["default"]
    lab = json.loads((ROOT / "tests/golden/lab/contract.json").read_text())
    for contract in (production.contract, lab):
        assert contract["clusters"]["main"]["repository"]["retention_days"] == given
    for role in ("wal_archive", "backup_repository"):
        defaults = yaml.safe_load((ROOT / f"roles/{role}/defaults/main.yml").read_text())
        assert defaults[f"{role}_retention_full_days"] == given
    wired = "{{ platform_repository.retention_days }}"
    group_vars = ROOT / "ansible/playbooks/group_vars"
    assert yaml.safe_load((group_vars / "database.yml").read_text())["wal_archive_retention_full_days"] == wired
    assert yaml.safe_load((group_vars / "repository.yml").read_text())["backup_repository_retention_full_days"] == wired
