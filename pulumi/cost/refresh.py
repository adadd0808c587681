"""Reads prices from the AWS price list ("Price List Query API") with the user's own credentials."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # it has no types
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # type: ignore[import-untyped]  # the same
from infra.aws.partitions import partition_of

from cost.catalogue import Product, product
from cost.price_file import FILE, NotFoundError, Price, PriceError, RegionPrices, read, write

# Source: Billing user guide, "Price List Query API endpoints".
NEARER = {"eu-": "eu-central-1", "ap-": "ap-south-1"}
# What stands before a usage type: EUC1-, or the region's whole name.
PREFIX = r"(?:(?:[A-Z][A-Z0-9]*|[a-z]{2}(?:-[a-z]+)+-\d)-)?"


def api_region(region: str) -> str:
    """Return the nearest region whose API has the prices of this one."""
    partition = partition_of(region)
    if partition is None:
        raise PriceError(f"{region} is in no partition that the platform knows: set aws:region")
    return NEARER.get(region[:3], partition.pricing_region)


def of_stack(stack: str, needed: Collection[tuple[str, str]], path: Path = FILE) -> str:
    """Bring the prices of a stack's regions up to date; return what was done.

    Only rows that the list has take the place of others: what it lacks keeps its old price, and is named in a
    NotFoundError after the file was written. Any other PriceError leaves the file untouched.
    """
    prices = read(path)
    today = datetime.now(tz=UTC).date().isoformat()
    written: list[str] = []
    lacking: list[str] = []
    for region in sorted({region for region, _ in needed}):
        client = boto3.Session().client("pricing", region_name=api_region(region))
        old = prices.get(region, RegionPrices(currency="", rows={}))
        found: dict[str, tuple[Price, str]] = {}
        for key in sorted(key for at, key in needed if at == region):
            try:
                found[key] = find(client, region, key, today)
            except NotFoundError as error:
                kept = f"its price of {old.rows[key].date} is kept" if key in old.rows else "it has no price"
                lacking.append(f"{region}: {error}; {kept}")
        if not found:
            raise PriceError("\n".join(["nothing was found, the old prices are kept", *lacking]))
        new = {key: row for key, (row, _) in found.items()}
        prices[region] = RegionPrices(currency=_one_currency(region, old, found), rows={**old.rows, **new})
        written.append(f"{len(new)} of {region}")
    write(prices, path)
    said = f"{path}: prices of {today}: {', '.join(written)}. `make cost STACK={stack}` uses them; commit the file."
    if lacking:
        raise NotFoundError("\n".join([said, "The price list has none for these:", *lacking]))
    return said


def _one_currency(region: str, old: RegionPrices, found: Mapping[str, tuple[Price, str]]) -> str:
    """Return what all prices are in. Raises PriceError for more than one: nothing could be added up."""
    currencies = sorted({currency for _, currency in found.values()})
    if len(currencies) > 1:
        few = min(currencies, key=lambda one: sum(currency == one for _, currency in found.values()))
        keys = ", ".join(key for key, (_, currency) in found.items() if currency == few)
        raise PriceError(
            f"the price list has prices of {region} in {' and '.join(currencies)} ({few}: {keys}): the old prices are "
            "kept; narrow these in pulumi/cost/catalogue.py to one currency"
        )
    if old.rows.keys() - found.keys() and old.currency != currencies[0]:
        raise PriceError(
            f"the price list has prices of {region} in {currencies[0]}, the file in {old.currency}: the old prices are "
            f"kept; take {region} out of the file, then run it again"
        )
    return currencies[0]


def find(client: Any, region: str, key: str, today: str) -> tuple[Price, str]:
    """Ask for one price; return it with its currency. Raises PriceError for more than one, NotFoundError for none."""
    wanted = product(key)
    filters = dict(wanted.attributes)
    if wanted.region_attribute:
        filters[wanted.region_attribute] = region
    try:
        offers = list(_offers(client, wanted, filters))
    except NoCredentialsError as error:
        raise PriceError(
            "no credentials for AWS: log in as for `pulumi up` (`aws sso login`, AWS_PROFILE), then run it again"
        ) from error
    except ClientError as error:
        raise PriceError(_refusal(error)) from error
    except BotoCoreError as error:
        raise PriceError(f"the price list did not answer: {error}; try again later, the old prices are kept") from error
    # Two products of one price are one answer.
    matching = {amount for offer in offers if _is(wanted, offer) for amount in _first_paid(offer)}
    asked = f"{wanted.name} ({key}: {wanted.service}, usage type {wanted.usage}, {filters})"
    if not matching:
        raise NotFoundError(f"the price list has no {asked}: see {wanted.page} and mend pulumi/cost/catalogue.py")
    if len(matching) > 1:
        shown = ", ".join(f"{amount:g} {currency}" for amount, currency in sorted(matching))
        raise PriceError(f"the price list has more than one {asked}: {shown}; narrow it in pulumi/cost/catalogue.py")
    ((amount, currency),) = matching
    source = f"AWS price list, {wanted.service}, {wanted.usage}"
    row = Price(amount=amount * wanted.units, unit=wanted.unit, source=source, date=today, illustrative=False)
    return row, currency


def _offers(client: Any, wanted: Product, filters: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    terms = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in sorted(filters.items())]
    pages = client.get_paginator("get_products").paginate(
        ServiceCode=wanted.service, Filters=terms, FormatVersion="aws_v1"
    )
    for page in pages:
        for text in page["PriceList"]:  # JSON in JSON
            yield json.loads(text)


def _is(wanted: Product, offer: Mapping[str, Any]) -> bool:
    return bool(re.fullmatch(PREFIX + wanted.usage, offer["product"]["attributes"].get("usagetype", "")))


def _first_paid(offer: Mapping[str, Any]) -> Iterator[tuple[float, str]]:
    """Yield the price of the first step that costs something: free ones are the account's, later ones for far more."""
    for term in offer["terms"].get("OnDemand", {}).values():
        steps = sorted(term["priceDimensions"].values(), key=lambda step: float(step.get("beginRange", 0)))
        for step in steps:
            ((currency, amount),) = step["pricePerUnit"].items()
            if float(amount):
                yield float(amount), currency
                break


def _refusal(error: ClientError) -> str:
    code = error.response["Error"]["Code"]
    if code in ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation"):
        return "no permission to read the price list: allow pricing:GetProducts (docs/aws.md), then run it again"
    if code in ("ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidSignatureException"):
        return f"AWS does not accept these credentials ({code}): log in again"
    return f"the price list refused: {error}; try again later, the old prices are kept"
