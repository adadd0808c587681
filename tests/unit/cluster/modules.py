"""Load modules of a role with its own module_utils, as Ansible does on a host."""

from pathlib import Path
from types import ModuleType

from tests.loading import load

ROLES = Path(__file__).resolve().parents[3] / "roles"


def role_module(role: str, name: str) -> ModuleType:
    """Load a module of a role, its module_utils first."""
    for path in (ROLES / role / "module_utils").glob("*.py"):
        load(path, f"ansible.module_utils.{path.stem}")
    return load(ROLES / role / "library" / f"{name}.py", f"{role}_{name}")
