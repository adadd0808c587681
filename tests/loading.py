"""Load a Python file as a module: what roles and plugins ship lies on no path of the tests."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def load(path: Path, name: str = "") -> ModuleType:
    """Load a file as a new module, whatever was loaded before.

    It is registered under its name, by which dataclasses look their module up. The name is the file's, without `.py`,
    unless another one is given: where two files, or two copies of one, would take it from each other.
    """
    name = name or path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
