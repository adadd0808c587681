"""The file of prices: for each region a date, a currency, whether AWS said so, and one row for each price."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = Path(__file__).with_name("prices.json")


class PriceError(Exception):
    """A price that is not there or can't be had; the message ends in the remedy."""


class NotFoundError(PriceError):
    """One price that the list or the file does not have, while others may be there."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """One row. `source`: the page or list where the figure is to be found."""

    amount: float
    unit: str
    source: str


@dataclass(frozen=True, kw_only=True)
class RegionPrices:
    """The prices of one region. `illustrative`: written by hand, not read from the price list."""

    date: str
    currency: str
    illustrative: bool
    rows: Mapping[str, Price]


Prices = Mapping[str, RegionPrices]


def read(path: Path = FILE) -> dict[str, RegionPrices]:
    """Return the prices by region. Raises PriceError for a file that is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            region: RegionPrices(**{**block, "rows": {key: Price(**row) for key, row in block["rows"].items()}})
            for region, block in content.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise PriceError(f"{path} is no file of prices ({error}): `git checkout {path}`") from error


def write(prices: Prices, path: Path = FILE) -> None:
    """Put the whole file in place at once: a reader or a killed run never sees half of one."""
    content = {region: asdict(block) for region, block in sorted(prices.items())}
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(path)


def price(prices: Prices, region: str, key: str, stack: str) -> Price:
    """Return one price. Raises PriceError with the command that brings it, NotFoundError where that one lacks."""
    remedy = f"run `make prices STACK={stack}` (it asks AWS with your credentials)"
    if region not in prices:
        known = ", ".join(sorted(prices))
        raise PriceError(f"stack {stack} has resources in {region}; the file has prices of {known}: {remedy}")
    if key not in prices[region].rows:
        raise NotFoundError(f"the file has no price {key} of {region}: {remedy}")
    return prices[region].rows[key]
