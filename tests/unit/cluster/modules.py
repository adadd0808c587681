"""Load modules of a role with its own module_utils, as Ansible does on a host."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROLES = Path(__file__).resolve().parents[3] / "roles"


def load(path: Path, name: str) -> ModuleType:
    """Load one file under a name."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def role_module(role: str, name: str) -> ModuleType:
    """Load a module of a role, its module_utils first."""
    for path in (ROLES / role / "module_utils").glob("*.py"):
        load(path, f"ansible.module_utils.{path.stem}")
    return load(ROLES / role / "library" / f"{name}.py", f"{role}_{name}")
