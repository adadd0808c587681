"""Blind indexes: a keyed hash beside an encrypted value, so that equal values are found and kept apart.

Layout: number of the key (2 bytes), HMAC-SHA-256 (32). The hash is of table and column too: equal texts of two columns
have nothing in common.
"""

import hashlib
import hmac

from apps.common.encryption.keys import KeyRing

NUMBER_BYTES = 2
INDEX_BYTES = NUMBER_BYTES + hashlib.sha256().digest_size


def blind_index(text: str, table: str, column: str, ring: KeyRing, number: int | None = None) -> bytes:
    """Return the index of a text by the current key, or by the one of this number."""
    number = number or ring.current
    message = "\0".join((table, column, text)).encode()
    return number.to_bytes(NUMBER_BYTES, "big") + hmac.digest(ring.key(number), message, "sha256")


def key_number(index: bytes) -> int:
    """Return the number of the key that made an index."""
    return int.from_bytes(index[:NUMBER_BYTES], "big")


def candidates(text: str, table: str, column: str, ring: KeyRing) -> list[bytes]:
    """Return the index of a text by each key: while keys rotate, a row may still have the one of an older key."""
    return [blind_index(text, table, column, ring, number) for number in sorted(ring.keys)]
