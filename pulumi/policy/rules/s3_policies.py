"""Policies of buckets: who may, and that nobody may without TLS."""

from collections.abc import Iterator

from policy.model import UNKNOWN, Resource, Stack, elements, look_up
from policy.rule import resource_rule, stack_rule
from policy.statements import Statement, for_everybody, includes, statements
from policy.tokens import BUCKET, BUCKET_POLICY

# Source: FSBP S3.6, the actions that no other account may have.
OWNERS_ACTIONS = {
    "s3:deletebucketpolicy",
    "s3:putbucketacl",
    "s3:putbucketpolicy",
    "s3:putencryptionconfiguration",
    "s3:putobjectacl",
}


@resource_rule(
    BUCKET_POLICY,
    controls=["S3.2", "S3.3", "CKV_AWS_70"],
    remedy="Name roles or services, or bind the statement to the account by a condition.",
)
def s3_policy_allows_nobody_at_large(policy: Resource) -> Iterator[str]:
    """A bucket's policy allows nothing to whoever comes."""
    yield from for_everybody(policy.get("policy"))


@resource_rule(
    BUCKET_POLICY,
    controls=["S3.6"],
    remedy="Take these actions out: who owns the bucket has them by IAM.",
)
def s3_policy_gives_away_no_ownership(policy: Resource) -> Iterator[str]:
    """A bucket's policy allows nobody to change its policy, its ACLs or its encryption."""
    for statement in statements(policy.get("policy")):
        given = [action for action in statement.actions if includes(action, OWNERS_ACTIONS)]
        if statement.allows and (given or statement.inverted):
            yield f"statement {statement.sid} allows {', '.join(given) or 'all but what it names'}"


@resource_rule(
    BUCKET_POLICY,
    controls=["CKV_AWS_93"],
    remedy="Give the statement a condition, or name whom it denies: only the account's root user could mend it.",
)
def s3_policy_locks_nobody_out(policy: Resource) -> Iterator[str]:
    """A bucket's policy does not deny everything to everybody."""
    for statement in statements(policy.get("policy")):
        everything = {"*", "s3:*"} & set(statement.actions)
        if not statement.allows and everything and "*" in statement.principals and not statement.condition:
            yield f"statement {statement.sid} denies {', '.join(statement.actions)} to everybody"


@stack_rule(
    controls=["S3.5", "CKV_AWS_379"],
    remedy='Deny s3:* to everybody on bucket and objects with Bool {"aws:SecureTransport": "false"}.',
)
def s3_tls_only(stack: Stack) -> Iterator[tuple[Resource, str]]:
    """Each bucket refuses whoever comes without TLS."""
    for bucket in stack.of_type(BUCKET):
        policies = stack.companions(BUCKET_POLICY, "bucket", bucket)
        if any(policy.get("policy") is UNKNOWN for policy in policies):
            continue
        found = [statement for policy in policies for statement in statements(policy.get("policy"))]
        if not any(_denies_plain_text(statement) for statement in found):
            yield bucket, f"{len(policies)} bucket policies, none denies requests without TLS"


def _denies_plain_text(statement: Statement) -> bool:
    plain = look_up(statement.condition, "Bool")
    value = {key.lower(): value for key, value in (plain or {}).items()}.get("aws:securetransport")
    whole = any(resource.endswith("/*") for resource in statement.resources) and len(statement.resources) > 1
    return (
        not statement.allows
        and "*" in statement.principals
        and bool({"*", "s3:*"} & set(statement.actions))
        and str(elements(value)[0] if elements(value) else "").lower() == "false"
        and (whole or "*" in statement.resources)
    )
