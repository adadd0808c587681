"""The program's folder on the path, and what the example stacks declare, asked once."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
for folder in (ROOT / "pulumi", ROOT):
    sys.path.insert(0, str(folder))

from deployer.__main__ import everything, made_for  # noqa: E402 - after the paths above
from dry_run import Declaration, example_stacks  # noqa: E402 - after the paths above


def pytest_configure(config: pytest.Config) -> None:
    """The aws package warns of its own old modules when it imports them."""
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:pulumi_aws")


@pytest.fixture(scope="session")
def every() -> list[Declaration]:
    """All example stacks, then the options."""
    return everything()


@pytest.fixture(scope="session")
def stacks(every: list[Declaration]) -> dict[str, Declaration]:
    return dict(zip(example_stacks(), every, strict=False))  # options follow


@pytest.fixture(scope="session")
def made(every: list[Declaration]) -> dict[str, str]:
    return made_for("production", every)


@pytest.fixture(scope="session")
def statements(made: dict[str, str]) -> list[dict[str, Any]]:
    return [statement for text in made.values() for statement in json.loads(text)["Statement"]]
