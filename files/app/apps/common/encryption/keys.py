"""The keys of encrypted columns and of blind indexes, and who gives them.

The key file is JSON, mode 0600 or 0640, made by the deployment:
    {"encryption": {"current": 2, "keys": {"1": "<32 bytes in base64>", "2": "…"}}, "blind_index": {…}}
`current` writes, all of them read. A key is added to every host's file before one of them makes it current, and leaves
the file when no value and no backup needs it any more.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings

from apps.common.encryption.errors import KeyUnavailableError

KEY_BYTES = 32
# Two bytes stand before each value.
NUMBERS = range(1, 65_536)


@dataclass(frozen=True)
class KeyRing:
    """The keys of one purpose by number."""

    purpose: str
    current: int
    keys: Mapping[int, bytes] = field(repr=False)

    @property
    def name(self) -> str:
        """As in the key file."""
        return self.purpose.replace(" ", "_")

    def key(self, number: int) -> bytes:
        """Return a key. Raises KeyUnavailableError."""
        if number not in self.keys:
            known = ", ".join(map(str, sorted(self.keys)))
            raise KeyUnavailableError(
                f"The {self.purpose} key {number} is not in the key file, which has {known}:"
                " put it back to read what it sealed."
            )
        return self.keys[number]


@dataclass(frozen=True)
class KeyRings:
    encryption: KeyRing
    blind_index: KeyRing

    def __iter__(self) -> Iterator[KeyRing]:
        return iter((self.encryption, self.blind_index))


class KeyProvider(Protocol):
    """Whoever gives the keys: a file. A key management service would unwrap those of a file, once a process."""

    def rings(self) -> KeyRings:
        """Return the keys as they are now. Raises KeyUnavailableError."""


class FileKeys:
    """Keys from a file. It is read again when it was replaced, so that a new key needs no restart."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rings(self) -> KeyRings:
        try:
            status = self._path.stat()
        except OSError as error:
            raise KeyUnavailableError(f"ENCRYPTION_KEY_FILE={self._path}: {error.strerror}.") from error
        return _read(self._path, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int, _inode: int) -> KeyRings:
    """Return the keys of the file as it was at that moment."""
    try:
        content = json.loads(path.read_text(encoding="ascii"))
        return KeyRings(encryption=_ring(content, "encryption"), blind_index=_ring(content, "blind_index"))
    except OSError as error:
        raise KeyUnavailableError(f"ENCRYPTION_KEY_FILE={path}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        # Not "from": the file's text would be part of the traceback.
        raise KeyUnavailableError(
            f"ENCRYPTION_KEY_FILE={path} is no key file: rings encryption and blind_index are expected, each with its"
            f" keys by number ({KEY_BYTES} bytes in base64, no two alike) and the number of the current one."
        ) from None


def _ring(content: Any, purpose: str) -> KeyRing:
    """Return one ring of the file. Raises what a wrong shape comes to."""
    keys = {int(number): _key(text) for number, text in content[purpose]["keys"].items()}
    current = int(content[purpose]["current"])
    if current not in keys or not all(number in NUMBERS for number in keys) or len(set(keys.values())) < len(keys):
        raise ValueError(purpose)
    return KeyRing(purpose.replace("_", " "), current, keys)


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError("length")
    return key


def provider() -> KeyProvider:
    """Return who gives the keys by the settings. Raises KeyUnavailableError."""
    path = settings.ENCRYPTION["KEY_FILE"]
    if not path:
        raise KeyUnavailableError(
            "ENCRYPTION_KEY_FILE is not set: encrypted columns can be neither read nor written without their keys."
        )
    return FileKeys(Path(path))


def rings() -> KeyRings:
    """Return the keys as they are now. Raises KeyUnavailableError."""
    return provider().rings()
