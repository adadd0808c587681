"""The file of prices: by region a currency and one row for each price, with its date and whether AWS said it."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from cost.catalogue import product

FILE = Path(__file__).with_name("prices.json")


class PriceError(Exception):
    """A price that is not there or can't be had; the message ends in the remedy."""


class NotFoundError(PriceError):
    """Prices that the list or the file does not have, while others may be there."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """One row. `source`: the page or list where the figure is to be found; `illustrative`: it was written by hand."""

    amount: float
    unit: str
    source: str
    date: str
    illustrative: bool


@dataclass(frozen=True, kw_only=True)
class RegionPrices:
    """The prices of one region."""

    currency: str
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


def select(prices: Prices, needed: Iterable[tuple[str, str]], stack: str) -> dict[tuple[str, str], Price]:
    """Return the prices by (region, key). Raises PriceError for a region without any, NotFoundError for what lacks."""
    remedy = f"run `make prices STACK={stack}` (it asks AWS with your credentials)"
    found, lacking = {}, []
    for region, key in dict.fromkeys(needed):
        if region not in prices:
            known = ", ".join(sorted(prices))
            raise PriceError(f"stack {stack} has resources in {region}; the file has prices of {known}: {remedy}")
        if key in prices[region].rows:
            found[region, key] = prices[region].rows[key]
        else:
            lacking.append(f"{product(key).name} ({key} of {region}, {product(key).page})")
    if lacking:
        raise NotFoundError(
            f"the file has no price for {', '.join(lacking)}: {remedy}; what AWS's list does not have, add to "
            f"pulumi/cost/{FILE.name} by hand"
        )
    return found
