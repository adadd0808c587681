"""Secrets: places without values, so that the state holds none."""

from collections.abc import Iterator

from policy.model import UNKNOWN, Resource, missing
from policy.rule import OURS, resource_rule
from policy.tokens import SECRET, SECRET_VERSION

RECOVERY_WINDOW_DAYS_MIN = 7  # the shortest that Secrets Manager offers besides none


@resource_rule(SECRET, controls=["CKV_AWS_149"], remedy="Set kms_key_id to the platform's key for secrets.")
def secrets_have_own_key(secret: Resource) -> Iterator[str]:
    """A secret is encrypted with the platform's key."""
    yield from missing(secret, "kmsKeyId")


@resource_rule(
    SECRET_VERSION,
    controls=[OURS],
    remedy="Take it out: initialise_secrets.yml writes the values, the state holds references alone.",
)
def secrets_have_no_value_in_the_program(_: Resource) -> Iterator[str]:
    """The program makes places for secrets and never their values."""
    yield "a value of a secret"


@resource_rule(
    SECRET,
    controls=[OURS],
    remedy=f"Set recovery_window_in_days to {RECOVERY_WINDOW_DAYS_MIN} or more, or leave it out (30).",
)
def secrets_can_be_brought_back(secret: Resource) -> Iterator[str]:
    """A secret that was deleted can be brought back for a week at least."""
    days = secret.get("recoveryWindowInDays")
    if days not in (None, UNKNOWN) and days < RECOVERY_WINDOW_DAYS_MIN:
        yield f"recoveryWindowInDays is {days:g}"
