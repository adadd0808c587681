"""Permissions: named actions on named resources for named principals."""

from collections.abc import Iterator
from typing import Any

from policy.model import Resource, elements, look_up
from policy.rule import OURS, resource_rule
from policy.statements import RESOURCE_ACCOUNT, statements
from policy.tokens import (
    IAM_ACCESS_KEY,
    IAM_GROUP_POLICY,
    IAM_POLICY,
    IAM_ROLE,
    IAM_ROLE_ATTACHMENT,
    IAM_ROLE_POLICY,
    IAM_USER,
    IAM_USER_POLICY,
    PARAMETER,
    SECRET,
    SECRET_POLICY,
    TOPIC,
    TOPIC_POLICY,
    VPC_ENDPOINT,
)

DOCUMENT_TYPES = (IAM_GROUP_POLICY, IAM_POLICY, IAM_ROLE, IAM_ROLE_POLICY, IAM_USER_POLICY)
# Actions that take no resource: `*` is all that can be written. Source: Service Authorization Reference.
WITHOUT_RESOURCE = {
    "cloudwatch:getmetricdata",
    "cloudwatch:getmetricstatistics",
    "cloudwatch:listmetrics",
    "cloudwatch:putmetricdata",
    "ec2:describeavailabilityzones",
    "ec2:describeinstances",
    "ec2:describeinstancestatus",
    "ec2:describetags",
    "ec2:describevolumes",
    "ec2messages:acknowledgemessage",
    "ec2messages:deletemessage",
    "ec2messages:failmessage",
    "ec2messages:getendpoint",
    "ec2messages:getmessages",
    "ec2messages:sendreply",
    "kms:generaterandom",
    "s3:listallmybuckets",
    "secretsmanager:getrandompassword",
    "ssmmessages:createcontrolchannel",
    "ssmmessages:createdatachannel",
    "ssmmessages:opencontrolchannel",
    "ssmmessages:opendatachannel",
    "sts:getcalleridentity",
}
BROAD_MANAGED_POLICIES = ("AdministratorAccess", "IAMFullAccess", "PowerUserAccess")


def documents(policy: Resource) -> Iterator[Any]:
    """Return the documents that a resource of IAM gives permissions by."""
    yield policy.get("policy")
    yield from (look_up(inline, "policy") for inline in elements(policy.get("inlinePolicies")))


@resource_rule(
    *DOCUMENT_TYPES,
    controls=["IAM.1", "IAM.21", "CKV_AWS_62", "CKV_AWS_63"],
    remedy="Name each action that is needed.",
)
def iam_no_wildcard_actions(policy: Resource) -> Iterator[str]:
    """A policy allows named actions, none by a wildcard and none by naming what is not meant."""
    for statement in (one for document in documents(policy) for one in statements(document)):
        wide = [action for action in statement.actions if "*" in action or "?" in action]
        if statement.allows and (wide or statement.inverted):
            yield f"statement {statement.sid} allows {', '.join(wide) or 'all but what it names'}"


@resource_rule(
    *DOCUMENT_TYPES,
    controls=["CKV_AWS_355"],
    remedy="Name the resources' ARNs; actions that take none are listed in pulumi/policy/rules/iam.py.",
)
def iam_no_wildcard_resources(policy: Resource) -> Iterator[str]:
    """A policy allows its actions on named resources, unless the action takes none."""
    for statement in (one for document in documents(policy) for one in statements(document)):
        bound = [action for action in statement.actions if action.lower() not in WITHOUT_RESOURCE]
        if statement.allows and statement.everything and bound:
            yield f"statement {statement.sid} allows {', '.join(bound)} on {', '.join(statement.everything)}"


@resource_rule(
    IAM_ROLE,
    controls=["CKV_AWS_60", "CKV_AWS_61"],
    remedy="Name the service or the role that takes it.",
)
def iam_role_names_who_takes_it(role: Resource) -> Iterator[str]:
    """A role is taken by a named service or role, never by whoever comes."""
    for statement in statements(role.get("assumeRolePolicy")):
        if statement.for_everybody():
            yield f"statement {statement.sid} lets everybody take the role"


@resource_rule(
    IAM_ROLE_ATTACHMENT,
    IAM_ROLE,
    controls=["IAM.1", "CKV_AWS_274"],
    remedy="Write a policy of the actions that are needed.",
)
def iam_no_broad_managed_policy(resource: Resource) -> Iterator[str]:
    """No role has one of AWS's policies for administrators."""
    for arn in (*elements(resource.get("policyArn")), *elements(resource.get("managedPolicyArns"))):
        if isinstance(arn, str) and arn.endswith(tuple(f":policy/{name}" for name in BROAD_MANAGED_POLICIES)):
            yield f"policy {arn}"


@resource_rule(
    IAM_USER,
    IAM_ACCESS_KEY,
    controls=["CKV_AWS_273"],
    remedy="Use a role: people come by single sign-on, hosts by their instance profile.",
)
def iam_no_users(_: Resource) -> Iterator[str]:
    """The program makes no users and no keys that never end."""
    yield "credentials that never end"


@resource_rule(
    SECRET,
    SECRET_POLICY,
    TOPIC,
    TOPIC_POLICY,
    VPC_ENDPOINT,
    controls=["SNS.4", "CKV_AWS_169", OURS],
    remedy="Name roles or services, or bind the statement to the account by a condition.",
)
def iam_policies_of_resources_allow_nobody_at_large(resource: Resource) -> Iterator[str]:
    """The policy of a secret, a topic or an endpoint does not allow everything to whoever comes."""
    for statement in statements(resource.get("policy")):
        # Whoever is in the network comes through an endpoint: what it leads to is what counts there.
        endpoint = resource.type == VPC_ENDPOINT
        everybody = statement.for_everybody(*[RESOURCE_ACCOUNT] * endpoint)
        if everybody and not (endpoint and not statement.everything):
            yield f"statement {statement.sid} allows {', '.join(statement.actions)} to everybody"


@resource_rule(
    PARAMETER,
    controls=["CKV_AWS_337"],
    remedy="Set type='SecureString' with key_id; secrets of the platform lie in Secrets Manager.",
)
def iam_secure_parameters_have_own_key(parameter: Resource) -> Iterator[str]:
    """A secure parameter is encrypted with the platform's key."""
    if parameter.get("type") == "SecureString" and parameter.get("keyId") is None:
        yield "keyId is not set"
