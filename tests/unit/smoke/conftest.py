"""The program's folder on the path."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
for folder in (ROOT / "pulumi", ROOT):
    sys.path.insert(0, str(folder))


def pytest_configure(config: pytest.Config) -> None:
    """The aws package warns of its own old modules when it imports them."""
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:pulumi_aws")
