"""What several policies say in the same words. Pure: a value may be known already, or an output of a resource."""

from collections.abc import Mapping, Sequence
from typing import Any

Statement = Mapping[str, Any]

LANGUAGE = "2012-10-17"  # IAM user guide, "IAM JSON policy elements: Version": the current one


def policy(statements: Sequence[Statement]) -> dict[str, Any]:
    """Return a policy of these statements."""
    return {"Version": LANGUAGE, "Statement": list(statements)}


def trust(service: str, condition: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a role's policy that lets a service, by its principal, take it."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return policy([{**statement, "Condition": condition} if condition else statement])


def on_behalf_of(source_arn: object, account_id: object) -> dict[str, Any]:
    """Return the condition: the service acts for a resource of this account. Else anybody's could send it here."""
    return {"StringEquals": {"aws:SourceAccount": account_id}, "ArnLike": {"aws:SourceArn": source_arn}}


def refuse(sid: str, action: str, resource: object, condition: Mapping[str, Any]) -> Statement:
    """Return a refusal to everybody, whatever an identity's own policy allows."""
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": condition,
    }


def tls_only(action: str, resource: object) -> Statement:
    """Refuse whoever comes without TLS."""
    return refuse("TlsOnly", action, resource, {"Bool": {"aws:SecureTransport": "false"}})
