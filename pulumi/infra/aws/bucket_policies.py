"""What buckets refuse, whatever an identity's own policy allows. Pure."""

import json
from collections.abc import Mapping, Sequence

from infra.aws import iam_policies
from infra.aws.iam_policies import Statement

SIDE = "s3:x-amz-server-side-encryption"


def policy(bucket_arn: str, statements: Sequence[Statement]) -> str:
    """Return a bucket's policy as text: TLS alone, whatever else it says (FSBP S3.5)."""
    tls_only = iam_policies.tls_only("s3:*", [bucket_arn, f"{bucket_arn}/*"])
    return json.dumps(iam_policies.policy([tls_only, *statements]))


def own_key_only(bucket_arn: str, kms_key_arn: str) -> list[Statement]:
    """Refuse to store what another key encrypts.

    A request that names no encryption is let through: the bucket's default gives it the right key. pgBackRest names it
    where an object begins and not with the parts that follow, which are PutObject too (its src/storage/s3/write.c).
    """

    def refuse(sid: str, condition: Mapping[str, Mapping[str, str]]) -> Statement:
        return iam_policies.refuse(sid, "s3:PutObject", f"{bucket_arn}/*", condition)

    key = f"{SIDE}-aws-kms-key-id"
    return [
        refuse("NoOtherKey", {"Null": {key: "false"}, "StringNotEquals": {key: kms_key_arn}}),
        # KMS without a key's name means the account's own key for S3, not the bucket's default.
        refuse("NoUnnamedKey", {"Null": {key: "true"}, "StringEquals": {SIDE: "aws:kms"}}),
        refuse("NoOtherEncryption", {"Null": {SIDE: "false"}, "StringNotEquals": {SIDE: "aws:kms"}}),
        # With a key of the caller's own, backups could be held to ransom.
        refuse("NoKeyOfTheCaller", {"Null": {f"{SIDE}-customer-algorithm": "false"}}),
    ]


def log_delivery(bucket_arn: str, prefix: str, source_bucket_arn: str, account_id: str) -> Statement:
    """Let S3 write the access log of one bucket of the account."""
    return {
        "Sid": "AccessLogs",
        "Effect": "Allow",
        # Source: S3 user guide, "Permissions for log delivery"; the same name in each partition.
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"{bucket_arn}/{prefix}*",
        "Condition": iam_policies.on_behalf_of(source_bucket_arn, account_id),
    }
