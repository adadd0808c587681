"""Fixtures of the tests that use the real Pulumi engine."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "pulumi"))  # the contract's own reader checks what was exported

from engine_workspace import Engine, make_stack


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with an empty stack: the module's `STACK`, production where it has none."""
    home = tmp_path_factory.mktemp("pulumi")
    yield make_stack(home, getattr(request.module, "STACK", "production"))
    shutil.rmtree(home, ignore_errors=True)
