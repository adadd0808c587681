"""The example stacks on AWS, and what a user writes where they say REPLACE; used by both recording engines."""

from collections.abc import Mapping
from typing import Any

STACKS = ("production", "production-cn", "staging")
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEexampleexampleexampleexampleexampleexample operator@example"
WRITTEN = {
    "REPLACE_WITH_YOUR_PUBLIC_KEY": PUBLIC_KEY,
    "REPLACE_WITH_A_DEBIAN_13_IMAGE": "ami-0123456789abcdef0",
}


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stack's configuration as a user completes it."""
    return {key: WRITTEN.get(value, value) if isinstance(value, str) else value for key, value in config.items()}
