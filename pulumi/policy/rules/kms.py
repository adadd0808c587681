"""Keys: without them neither volumes nor backups can be read again."""

from collections.abc import Iterator

from policy.model import Resource, differs
from policy.rule import resource_rule
from policy.rules.iam import DOCUMENT_TYPES, documents
from policy.statements import for_everybody, includes, names_no_one, statements
from policy.tokens import KMS_KEY, KMS_KEY_POLICY

DELETION_WINDOW_DAYS = 30  # the longest that KMS offers: time to notice a mistake
DECRYPTING = ("kms:decrypt", "kms:reencryptfrom")


@resource_rule(KMS_KEY, controls=["KMS.4", "CKV_AWS_7"], remedy="Set enable_key_rotation=True.")
def kms_keys_rotate(key: Resource) -> Iterator[str]:
    """A key gets new material each year; older material still decrypts."""
    if key.get("keyUsage") in (None, "ENCRYPT_DECRYPT"):
        yield from differs(key, "enableKeyRotation", True)


@resource_rule(KMS_KEY, controls=["CKV_AWS_227"], remedy="Leave out is_enabled or set it to True.")
def kms_keys_are_enabled(key: Resource) -> Iterator[str]:
    """A key is in use: a disabled one stops volumes and backups."""
    yield from differs(key, "isEnabled", None, True)


@resource_rule(
    KMS_KEY,
    controls=["KMS.3"],
    remedy=f"Set protect=True and deletion_window_in_days={DELETION_WINDOW_DAYS}.",
)
def kms_keys_are_kept(key: Resource) -> Iterator[str]:
    """A key can't be deleted by the program, and by a person only with 30 days to think better of it."""
    if not key.protect:
        yield "protect is False"
    yield from differs(key, "deletionWindowInDays", DELETION_WINDOW_DAYS)


@resource_rule(
    KMS_KEY,
    KMS_KEY_POLICY,
    controls=["KMS.5", "CKV_AWS_33"],
    remedy="Name the account, roles or services, or bind the statement to the account by kms:CallerAccount.",
)
def kms_policy_allows_nobody_at_large(key: Resource) -> Iterator[str]:
    """A key's policy allows nothing to whoever comes."""
    yield from for_everybody(key.get("policy"))


@resource_rule(
    *DOCUMENT_TYPES,
    controls=["KMS.1", "KMS.2"],
    remedy="Name the key's ARN as the resource.",
)
def kms_decrypt_names_its_key(policy: Resource) -> Iterator[str]:
    """Who may decrypt may do it with named keys, not with all of the account."""
    for statement in (one for document in documents(policy) for one in statements(document)):
        every = [resource for resource in statement.resources if names_no_one(resource) or resource.endswith(":key/*")]
        decrypts = [action for action in statement.actions if includes(action, DECRYPTING)]
        if statement.allows and every and decrypts:
            yield f"statement {statement.sid} allows {', '.join(decrypts)} on {', '.join(every)}"
