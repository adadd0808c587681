"""The inventory plugin as a module, and a saved contract of the lab to alter."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.loading import load

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden"


@pytest.fixture(scope="session")
def plugin() -> ModuleType:
    return load(ROOT / "ansible/plugins/inventory/pulumi_stack.py")


@pytest.fixture
def contract() -> dict[str, Any]:
    return dict(json.loads((GOLDEN / "lab/contract.json").read_text(encoding="utf-8")))


@pytest.fixture
def production(tmp_path: Path) -> Callable[[object], Path]:
    """Return a function that gives a copy of production's inventory which reads a saved contract."""

    def copy(contract: object) -> Path:
        saved = tmp_path / "contract.json"
        saved.write_text(json.dumps(contract), encoding="utf-8")
        inventory = tmp_path / "inventory"
        shutil.copytree(ROOT / "inventories/production", inventory)
        source = inventory / "pulumi_stack.yml"
        text = re.sub(r"(?m)^remote_state:.*\n", "", source.read_text(encoding="utf-8"))
        source.write_text(re.sub(r"(?m)^contract_file:.*$", f"contract_file: {saved}", text), encoding="utf-8")
        return inventory

    return copy


@pytest.fixture
def saved(tmp_path: Path, plugin: ModuleType) -> Callable[..., Any]:
    """Save a contract and return the Source that reads it."""

    def save(contract: object, **changes: object) -> Any:
        path = tmp_path / "contract.json"
        if contract is not None:
            path.write_text(contract if isinstance(contract, str) else json.dumps(contract), encoding="utf-8")
        values = {
            "stack": "lab",
            "environment": "lab",
            "project": "freelance-platform",
            "contract_file": str(path),
            "remedy": "make up",
        }
        return plugin.Source(**{**values, **changes})

    return save
