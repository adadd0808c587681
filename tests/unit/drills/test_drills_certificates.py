"""A certificate for drills is right but for its time."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.drills import certificates


@pytest.fixture
def authority() -> tuple[str, str]:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), secret.decode()


def test_it_is_the_authoritys_own_and_over(authority: tuple[str, str]) -> None:
    certificate, key = certificates.expired("db1", *authority)
    made = x509.load_pem_x509_certificate(certificate.encode())
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(authority[0].encode()))
    assert made.not_valid_before_utc < made.not_valid_after_utc < datetime.now(UTC)
    assert key.startswith("-----BEGIN")
