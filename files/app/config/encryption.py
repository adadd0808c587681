"""The ENCRYPTION setting, made from the environment: who gives the keys of encrypted columns."""

import stat
from pathlib import Path

from config.environment import Environment

# Only who runs the application may read the keys.
MODES = (0o600, 0o640, 0o400, 0o440)
PROVIDERS = ("file",)


def encryption(env: Environment) -> dict[str, str]:
    """Return the ENCRYPTION setting. Without a key file encrypted columns are neither read nor written."""
    provider = env.text("ENCRYPTION_KEY_PROVIDER", "file")
    if provider not in PROVIDERS:
        env.problem(f"ENCRYPTION_KEY_PROVIDER={provider}: {' or '.join(PROVIDERS)} is expected.")
    path = env.file("ENCRYPTION_KEY_FILE", "")
    if path and Path(path).exists() and (mode := stat.S_IMODE(Path(path).stat().st_mode)) not in MODES:
        env.problem(f"ENCRYPTION_KEY_FILE={path} has mode {mode:04o}: 0600 or 0640 is expected, others may read it.")
    return {"KEY_FILE": path}
