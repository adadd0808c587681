"""Fixtures of the Pulumi program's tests without an engine."""

import pytest
from pulumi_recorder import Recording, record


def pytest_configure(config: pytest.Config) -> None:
    """The aws package warns of its own old modules when it imports them."""
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:pulumi_aws")


@pytest.fixture(scope="session")
def production() -> Recording:
    """The whole production stack, run once."""
    return record("production")
