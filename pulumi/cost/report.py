"""The estimate as a table in aligned columns."""

from collections.abc import Iterable, Sequence

from cost.assumptions import HOURS_PER_MONTH, Assumptions
from cost.billing import Charge
from cost.managed import LEFT_OUT
from cost.price_file import NotFoundError, Prices, price

HEADINGS = ("component", "item", "quantity", "unit", "unit price", "month")
TEXT_COLUMNS = (0, 1, 3)


def amounts(charges: Iterable[Charge], prices: Prices, stack: str) -> list[tuple[Charge, float]]:
    """Return each charge with its amount. Raises PriceError."""
    return [(charge, charge.quantity * price(prices, charge.region, charge.key, stack).amount) for charge in charges]


def table(priced: Sequence[tuple[Charge, float]], prices: Prices, stack: str) -> str:
    """Return rows by component, each with its sum; `~` marks a quantity that is assumed."""
    rows: list[tuple[str, ...]] = [HEADINGS]
    for component in dict.fromkeys(charge.component for charge, _ in priced):
        own = [(charge, amount) for charge, amount in priced if charge.component == component]
        for charge, amount in own:
            found = price(prices, charge.region, charge.key, stack)
            quantity = f"{'~' if charge.assumed else ''}{charge.quantity:,.0f}"
            rows.append((component, charge.item, quantity, found.unit, f"{found.amount:.6g}", f"{amount:,.2f}"))
        rows.append((component, "sum", "", "", "", f"{total(own):,.2f}"))
    rows.append(("", "total", "", "", "", f"{total(priced):,.2f}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in TEXT_COLUMNS else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def total(priced: Iterable[tuple[Charge, float]]) -> float:
    """Return the sum."""
    return sum(amount for _, amount in priced)


def page(  # noqa: PLR0913 - what is compared, and what it stands on
    own: Sequence[Charge],
    managed: Sequence[Charge],
    database: frozenset[str],
    prices: Prices,
    assume: Assumptions,
    *,
    stack: str,
    region: str,
) -> str:
    """Return the whole text. `database`: components that a managed database would take the place of."""
    ours = amounts(own, prices, stack)
    compared = [(charge, amount) for charge, amount in ours if charge.component in database]
    block = prices[region]
    origin = (
        f"illustrative prices, written by hand on {block.date}: `make prices STACK={stack}` reads those of AWS"
        if block.illustrative
        else f"prices that the AWS price list had on {block.date}"
    )
    return "\n".join(
        [
            f"Stack {stack}, {region}: {block.currency} a month of {HOURS_PER_MONTH} hours, on demand, without tax",
            f"By {origin}.",
            "",
            table(ours, prices, stack),
            "",
            *beside(managed, total(compared), prices, stack),
            "",
            "Assumed (~), in pulumi/cost/assumptions.py:",
            *(f"  {line}" for line in assume.lines()),
        ]
    )


def beside(managed: Sequence[Charge], ours: float, prices: Prices, stack: str) -> list[str]:
    """Return the managed database's lines; where one of its prices is not there, why it is left out."""
    try:
        theirs = amounts(managed, prices, stack)
    except NotFoundError as error:
        return [f"Without an equal managed database (RDS for PostgreSQL): {error}."]
    return [
        "An equal managed database (RDS for PostgreSQL):",
        table(theirs, prices, stack),
        f"It has {LEFT_OUT}.",
        f"Without hosts beside the database, ours is {ours:,.2f}, the managed one {total(theirs):,.2f}.",
    ]
