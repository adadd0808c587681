"""SCRAM-SHA-256 verifiers (RFC 5803), so that a clear password never reaches the server or its log."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

ITERATIONS = 4096  # PostgreSQL's default for scram_iterations.
SALT_BYTES = 16  # What PostgreSQL itself uses.
VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")
# Printable ASCII is its own SASLprep form: what the client normalises is what was hashed here.
ACCEPTED = re.compile(r"[\x21-\x7e]+")


def build_verifier(password: str, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """Return the text that PostgreSQL stores in rolpassword for this password."""
    if not ACCEPTED.fullmatch(password):
        raise ValueError("a password must be printable ASCII without spaces")
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(_sign(salted, b"Client Key")).digest()
    server = _sign(salted, b"Server Key")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored)}:{_text(server)}"


def is_verifier_of(password: str, verifier: str | None) -> bool:
    """Tell whether the stored verifier belongs to this password, whatever its salt and iterations are."""
    found = VERIFIER.fullmatch(verifier or "")
    if found is None or verifier is None:
        return False
    rebuilt = build_verifier(password, salt=base64.b64decode(found[2]), iterations=int(found[1]))
    return hmac.compare_digest(rebuilt, verifier)


def _sign(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
