"""The estimate as a table in aligned columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cost.assumptions import HOURS_PER_MONTH, Assumptions
from cost.billing import Charge
from cost.catalogue import product
from cost.managed import LEFT_OUT
from cost.price_file import NotFoundError, Price, Prices, select

HEADINGS = ("component", "item", "quantity", "unit", "unit price", "month")
TEXT_COLUMNS = (0, 1, 3)


@dataclass(frozen=True, kw_only=True)
class Priced:
    """A charge with its price."""

    charge: Charge
    price: Price

    @property
    def amount(self) -> float:
        """What it costs in a month."""
        return self.charge.quantity * self.price.amount


def priced(charges: Sequence[Charge], prices: Prices, stack: str) -> list[Priced]:
    """Return each charge with its price. Raises PriceError, NotFoundError with all that lacks."""
    found = select(prices, [(charge.region, charge.key) for charge in charges], stack)
    return [Priced(charge=charge, price=found[charge.region, charge.key]) for charge in charges]


def total(rows: Iterable[Priced]) -> float:
    """Return the sum."""
    return sum(row.amount for row in rows)


def table(rows: Sequence[Priced]) -> str:
    """Return rows by component, each with its sum; `~` marks a quantity that is assumed."""
    lines: list[tuple[str, ...]] = [HEADINGS]
    for component in dict.fromkeys(row.charge.component for row in rows):
        own = [row for row in rows if row.charge.component == component]
        for row in own:
            quantity = f"{'~' if row.charge.assumed else ''}{row.charge.quantity:,.0f}"
            unit_price, month = f"{row.price.amount:.6g}", f"{row.amount:,.2f}"
            lines.append((component, row.charge.item, quantity, row.price.unit, unit_price, month))
        lines.append((component, "sum", "", "", "", f"{total(own):,.2f}"))
    lines.append(("", "total", "", "", "", f"{total(rows):,.2f}"))
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in TEXT_COLUMNS else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def origin(rows: Sequence[Priced], stack: str) -> str:
    """Return whose prices these are and of which days, so that nobody takes one written by hand for AWS's."""
    of_aws = [row for row in rows if not row.price.illustrative]
    by_hand = [row for row in rows if row.price.illustrative]
    read = f"prices that the AWS price list had on {_days(of_aws)}"
    written = f"illustrative prices, written by hand on {_days(by_hand)}"
    if not by_hand:
        return f"By {read}."
    if not of_aws:
        return f"By {written}: `make prices STACK={stack}` reads those of AWS."
    names = ", ".join(sorted({product(row.charge.key).name for row in by_hand}))
    return f"By {read}, and by {written}, for {names}."


def _days(rows: Iterable[Priced]) -> str:
    days = sorted({row.price.date for row in rows})
    return " to ".join(dict.fromkeys((days[0], days[-1]))) if days else ""


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
    ours = priced(own, prices, stack)
    try:
        theirs, lacking = priced(managed, prices, stack), None
    except NotFoundError as error:
        theirs, lacking = [], error
    compared = [row for row in ours if row.charge.component in database]
    return "\n".join(
        [
            f"Stack {stack}, {region}: {prices[region].currency} a month of {HOURS_PER_MONTH} hours, on demand, "
            "without tax",
            origin([*ours, *theirs], stack),
            "",
            table(ours),
            "",
            *(
                [f"Without an equal managed database (RDS for PostgreSQL): {lacking}."]
                if lacking
                else [
                    "An equal managed database (RDS for PostgreSQL):",
                    table(theirs),
                    f"It has {LEFT_OUT}.",
                    f"Without hosts beside the database, ours is {total(compared):,.2f}, the managed one "
                    f"{total(theirs):,.2f}.",
                ]
            ),
            "",
            "Assumed (~), in pulumi/cost/assumptions.py:",
            *(f"  {line}" for line in assume.lines()),
        ]
    )
