"""What a stack declares, and an AWS price list on loopback."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
for folder in (ROOT / "pulumi", ROOT):
    sys.path.insert(0, str(folder))

from dry_run import Declaration, declaration  # noqa: E402 - after the paths above

from tests.unit.cost.price_list import PriceList  # noqa: E402 - the same


def pytest_configure(config: pytest.Config) -> None:
    """The aws package warns of its own old modules when it imports them."""
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:pulumi_aws")


@pytest.fixture(scope="session")
def production() -> Declaration:
    return declaration("production")


@pytest.fixture
def price_list(monkeypatch: pytest.MonkeyPatch) -> Iterator[PriceList]:
    """A price list that boto3 asks instead of AWS, with credentials that are none."""
    with PriceList() as served:
        monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", served.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        yield served
