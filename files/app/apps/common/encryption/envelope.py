"""Envelopes: each value has a data key of its own, which is wrapped by a key of the ring.

Layout: format (1 byte), number of the wrapping key (2), wrapped data key (40, AES key wrap of RFC 3394), nonce (12),
AES-256-GCM ciphertext with its tag (16). Table, column and row are associated data: elsewhere the value does not open.
"""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from apps.common.encryption.errors import MisplacedError, WrongKeyError
from apps.common.encryption.keys import KEY_BYTES, KeyRing

# Returns so many bytes that nobody can guess.
RandomBytes = Callable[[int], bytes]

FORMAT = 1
_HEADER = struct.Struct(">BH")
HEADER_BYTES = _HEADER.size
_WRAPPED_BYTES = KEY_BYTES + 8
_NONCE_BYTES = 12
_TAG_BYTES = 16
OVERHEAD_BYTES = HEADER_BYTES + _WRAPPED_BYTES + _NONCE_BYTES + _TAG_BYTES


@dataclass(frozen=True)
class Place:
    """Where a value lives; `row` is the primary key as text."""

    table: str
    column: str
    row: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column} of row {self.row}"

    def associated_data(self, header: bytes) -> bytes:
        # Names and keys hold no NUL: no two places look alike.
        return header + "\0".join((self.table, self.column, self.row)).encode()


def seal(text: str, place: Place, ring: KeyRing, random_bytes: RandomBytes = os.urandom) -> bytes:
    """Encrypt a text for its place by the current key. Only a seed of test data gives its own `random_bytes`."""
    header = _HEADER.pack(FORMAT, ring.current)
    data_key, nonce = random_bytes(KEY_BYTES), random_bytes(_NONCE_BYTES)
    wrapped = aes_key_wrap(ring.key(ring.current), data_key)
    return header + wrapped + nonce + AESGCM(data_key).encrypt(nonce, text.encode(), place.associated_data(header))


def key_number(sealed: bytes) -> int:
    """Return the number of the key that a value was sealed with."""
    return int.from_bytes(sealed[1:HEADER_BYTES], "big")


def unseal(sealed: bytes, place: Place, ring: KeyRing) -> str:
    """Decrypt a value of this place. Raises KeyUnavailableError, WrongKeyError or MisplacedError."""
    if len(sealed) < OVERHEAD_BYTES or sealed[0] != FORMAT:
        raise MisplacedError(f"{place}: this is no ciphertext of format {FORMAT}.")
    header, rest = sealed[:HEADER_BYTES], sealed[HEADER_BYTES:]
    number = key_number(sealed)
    wrapped, nonce = rest[:_WRAPPED_BYTES], rest[_WRAPPED_BYTES : _WRAPPED_BYTES + _NONCE_BYTES]
    try:
        data_key = aes_key_unwrap(ring.key(number), wrapped)
    except InvalidUnwrap:
        raise WrongKeyError(
            f"{place}: the key {number} of the key file is not the one that sealed it, or the value is damaged."
        ) from None
    try:
        text = AESGCM(data_key).decrypt(nonce, rest[_WRAPPED_BYTES + _NONCE_BYTES :], place.associated_data(header))
    except InvalidTag:
        raise MisplacedError(f"{place}: the ciphertext was altered, or belongs to another place.") from None
    return text.decode()
