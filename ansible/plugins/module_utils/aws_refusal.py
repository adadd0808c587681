"""Why AWS gave no answer about a secret, and what mends it: for the lookup that reads and the module that writes."""

from __future__ import annotations

from dataclasses import dataclass

import botocore  # type: ignore[import-untyped]  # it has no types
import botocore.exceptions  # type: ignore[import-untyped]  # it has no types
import botocore.session  # type: ignore[import-untyped]  # it has no types

WHO = "`aws sts get-caller-identity` says who asks"
CREDENTIALS = "log in (`aws sso login`, `aws configure`) or set AWS_PROFILE, then run again"
# Sources: Secrets Manager API reference, "Common Error Types" and the errors of GetSecretValue and PutSecretValue.
BY_CODE = {
    "AccessDeniedException": (
        "access is denied",
        f"{WHO}; allow it secretsmanager:{{action}} on this secret and {{kms}} on the key that encrypts it",
    ),
    "DecryptionFailure": ("the key that encrypts it can't be used", "enable that KMS key again, or allow its use"),
    "ExpiredTokenException": ("the credentials are expired", f"renew them: {CREDENTIALS}"),
    "UnrecognizedClientException": ("the credentials are unknown there", f"correct them: {CREDENTIALS}"),
    "InvalidSignatureException": (
        "the credentials' signature is refused",
        f"set this machine's clock and correct the secret access key: {CREDENTIALS}",
    ),
    "ThrottlingException": (
        "too many requests in a second, after several tries",
        "wait a minute and run again; Service Quotas shows the account's limit",
    ),
    "InternalServiceError": ("Secrets Manager itself failed", "wait a minute and run again"),
}
SAME = {
    "AccessDenied": "AccessDeniedException",
    "ExpiredToken": "ExpiredTokenException",
    "RequestExpired": "InvalidSignatureException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "Throttling": "ThrottlingException",
    "TooManyRequestsException": "ThrottlingException",
    "RequestLimitExceeded": "ThrottlingException",
    "InternalFailure": "InternalServiceError",
    "ServiceUnavailable": "InternalServiceError",
}
NO_CREDENTIALS = (
    botocore.exceptions.NoCredentialsError,
    botocore.exceptions.PartialCredentialsError,
    botocore.exceptions.CredentialRetrievalError,
    botocore.exceptions.ProfileNotFound,
    botocore.exceptions.SSOError,
    botocore.exceptions.TokenRetrievalError,
)
ACTIONS = {
    "read": ("GetSecretValue", "kms:Decrypt"),
    "write": ("DescribeSecret, GetSecretValue and PutSecretValue", "kms:Decrypt and kms:GenerateDataKey"),
}


@dataclass(frozen=True)
class Refusal:
    """`cause` and `remedy` in words; `missing`: there is no such secret, or it has no value yet."""

    cause: str
    remedy: str
    missing: bool = False

    def __str__(self) -> str:
        return f"{self.cause}; {self.remedy}"


def explain(error: BaseException | None, arn: str, action: str = "read") -> Refusal:
    """Explain an error of botocore about a secret. `action` is read or write. No text of a secret is in it."""
    region = arn.split(":")[3]
    if isinstance(error, botocore.exceptions.ClientError):
        return _of_service(error, arn, action)
    if isinstance(error, NO_CREDENTIALS):
        return Refusal(f"there are no usable credentials for AWS ({error})", CREDENTIALS)
    if isinstance(error, botocore.exceptions.HTTPClientError | botocore.exceptions.ConnectionError):
        known = region in botocore.session.get_session().get_available_regions("secretsmanager", arn.split(":")[1])
        region_words = (
            "" if known else f" botocore {botocore.__version__} knows no region {region}: is it written right?"
        )
        return Refusal(
            f"Secrets Manager can't be reached ({error}){'.' if region_words else ''}{region_words}",
            f"see whether this machine reaches {region} (network, HTTPS_PROXY, AWS_ENDPOINT_URL), then run again",
        )
    return Refusal(f"Secrets Manager gave no answer ({error})", f"see the reason in brackets; {WHO}")


def _of_service(error: botocore.exceptions.ClientError, arn: str, action: str) -> Refusal:
    code, message = (error.response["Error"].get(key, "") for key in ("Code", "Message"))
    if code == "ResourceNotFoundException":
        return Refusal("it is missing or has no value yet", "make it", missing=True)
    if code == "InvalidRequestException" and "marked" in message:
        return Refusal(
            f"it is marked for deletion ({message})",
            "bring back its value, as another one would not open what it encrypted: "
            f"aws secretsmanager restore-secret --region {arn.split(':')[3]} --secret-id {arn}",
        )
    cause, remedy = BY_CODE.get(SAME.get(code, code), ("Secrets Manager refused it", WHO))
    name, kms = ACTIONS[action]
    return Refusal(f"{cause} ({code}: {message})", remedy.format(action=name, kms=kms))
