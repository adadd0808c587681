"""The environment's SSH key."""

from lab.paths import SSH_KEY
from lab.shell import run


def ensure_key() -> str:
    """Make the key pair if it is missing; the public key's text."""
    SSH_KEY.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not SSH_KEY.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ansible@lab", "-f", SSH_KEY])
    return SSH_KEY.with_name(f"{SSH_KEY.name}.pub").read_text().strip()
