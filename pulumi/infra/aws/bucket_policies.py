"""What buckets refuse, whatever an identity's own policy allows. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Statement = Mapping[str, Any]

SIDE = "s3:x-amz-server-side-encryption"


def policy(statements: Sequence[Statement]) -> str:
    """Return the policy as text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def tls_only(bucket_arn: str) -> Statement:
    """Refuse whoever comes without TLS (FSBP S3.5)."""
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def own_key_only(bucket_arn: str, kms_key_arn: str) -> list[Statement]:
    """Refuse to store what another key encrypts.

    A request that names no encryption is let through: the bucket's default gives it the right key. pgBackRest names it
    where an object begins and not with the parts that follow, which are PutObject too (its src/storage/s3/write.c).
    """

    def refuse(sid: str, condition: Mapping[str, Mapping[str, str]]) -> Statement:
        return {
            "Sid": sid,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": f"{bucket_arn}/*",
            "Condition": condition,
        }

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
        "Condition": {
            "ArnLike": {"aws:SourceArn": source_bucket_arn},
            "StringEquals": {"aws:SourceAccount": account_id},
        },
    }
