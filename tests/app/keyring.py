"""Key files for tests: a key of each purpose is made of its number."""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def key(purpose: str, number: int) -> str:
    return base64.b64encode(hashlib.sha256(f"{purpose} {number}".encode()).digest()).decode()


def ring(purpose: str, numbers: Sequence[int]) -> dict[str, Any]:
    """Return a ring of these keys; the last one is the current one."""
    return {"current": numbers[-1], "keys": {str(number): key(purpose, number) for number in numbers}}


def write(file: Path, encryption: Sequence[int] = (1,), blind_index: Sequence[int] = (1,)) -> Path:
    """Write a key file beside the old one and put it in its place, as a deployment does."""
    content = {"encryption": ring("encryption", encryption), "blind_index": ring("blind_index", blind_index)}
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(content))
    fresh.chmod(0o600)
    fresh.rename(file)
    return file
