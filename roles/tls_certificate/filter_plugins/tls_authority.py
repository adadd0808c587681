"""Filter `tls_authority_problems`: why a certificate authority can't sign."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization


def tls_authority_problems(certificate_pem: str, private_key_pem: str, validity_days: int) -> list[str]:
    """Return what is wrong with the authority, an empty list when it can sign for `validity_days` from now."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    except ValueError:
        return ["its certificate is no PEM certificate"]
    try:
        key = serialization.load_pem_private_key(private_key_pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return ["its private key is no unencrypted PEM key"]
    problems = []
    if key.public_key() != certificate.public_key():
        problems.append("its private key belongs to another certificate")
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = x509.BasicConstraints(ca=False, path_length=None)
    if not constraints.ca:
        problems.append("its certificate is not one of an authority (CA:FALSE)")
    now, end = datetime.now(UTC), certificate.not_valid_after_utc
    if end < now:
        problems.append(f"its certificate expired on {end:%Y-%m-%d}")
    elif end < now + timedelta(days=validity_days):
        problems.append(f"its certificate ends on {end:%Y-%m-%d}, before one of {validity_days} days made today would")
    return problems


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Return the filters by name."""
        return {"tls_authority_problems": tls_authority_problems}
