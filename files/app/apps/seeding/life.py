"""What becomes of an order, and of the money in it. Amounts are cents."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from apps.seeding.chance import DAY, HOUR, MINUTE, NOW, Keys, happens, pick

if TYPE_CHECKING:
    from apps.seeding.market import Gig, Person

FEE_PERCENT = 5
Step = tuple[str, int]
# Whose wallet, kind, amount and moment.
Entry = tuple["Person", str, int, int]
# What a person does with the money of a finished order, and what comes of it.
PAYOUT_ENDS = (("paid", 0.95), ("failed", 0.03), ("cancelled", 0.02))
METHODS = (("alipay", 0.45), ("wechat_pay", 0.35), ("unionpay", 0.05), ("bank_card", 0.15))
ENDS = (
    ("completed", 0.82), ("cancelled", 0.06), ("declined", 0.03), ("called_off", 0.03), ("dispute_refund", 0.02),
    ("dispute_partial", 0.02), ("dispute_release", 0.02),
)  # fmt: skip
REVIEW_STATUSES = (("published", 0.97), ("pending", 0.01), ("hidden", 0.01), ("removed", 0.01))


@dataclass(frozen=True, slots=True)
class Package:
    key: str
    tier: str
    price: int
    days: int


@dataclass(slots=True, kw_only=True, eq=False)
class Deal:
    """An order with its states and the moments they began. What lies after NOW has not happened."""

    number: int
    key: str
    client: "Person"
    gig: "Gig"
    package: Package
    end: str
    steps: tuple[Step, ...]
    quantity: int
    # Place in texts.EXTRAS of what was ordered beside the package; None: nothing.
    extra: int | None
    extras_amount: int
    fee: int
    deposit: int
    # Part that goes back before the end, and when; 0: none.
    partial: int
    partial_at: int
    # The client's verdict and the freelancer's on the client; 0: none.
    stars: int
    stars_back: int
    review_status: str

    @property
    def created(self) -> int:
        return self.steps[0][1]

    @property
    def status(self) -> str:
        return self.steps[-1][0]

    @property
    def total(self) -> int:
        return self.package.price * self.quantity + self.extras_amount + self.fee

    def at(self, status: str) -> int | None:
        """Return when the order came into a state first; None: never."""
        return next((moment for step, moment in self.steps if step == status), None)

    @property
    def refunded_part(self) -> int:
        """What was given back before the end."""
        return self.partial if self.partial and self.partial_at < NOW else 0

    @property
    def released(self) -> tuple[int, int]:
        """What the freelancer was credited with at the end, and the fee taken off it, as the ledger counts it."""
        if self.status != "completed":
            return 0, 0
        held = self.total - self.refunded_part
        # numeric's round(): half a cent goes up.
        return held, (2 * self.fee * held + self.total) // (2 * self.total)

    def entries(self) -> Iterator[Entry]:
        """Yield wallet's owner, kind, amount and moment of each entry of the ledger."""
        paid = self.at("paid")
        if paid is None:
            return
        yield self.client, "deposit", self.deposit, paid - 2 * MINUTE
        yield self.client, "payment", -self.total, paid
        if self.refunded_part:
            yield self.client, "refund", self.refunded_part, self.partial_at
        status, ended = self.steps[-1]
        if status == "refunded":
            yield self.client, "refund", self.total, ended
        elif status == "completed":
            income, fee = self.released
            yield self.gig.owner, "income", income, ended
            if fee:
                yield self.gig.owner, "fee", -fee, ended


@dataclass(slots=True, kw_only=True, eq=False)
class Payout:
    """A withdrawal: `sent` and `closed` are None until then."""

    deal: Deal
    amount: int
    asked: int
    status: str
    sent: int | None
    closed: int | None

    @property
    def owner(self) -> "Person":
        return self.deal.gig.owner

    @property
    def kind(self) -> str:
        return method_kind(self.owner)

    @classmethod
    def after(cls, chance: Random, deal: Deal) -> "Payout | None":
        """Return what the freelancer takes out of a finished order's income: never more than it brought."""
        income, fee = deal.released
        asked = deal.steps[-1][1] + int(chance.uniform(1, 60) * HOUR)
        amount = int((income - fee) * chance.choice((0.5, 0.8, 1)))
        if amount < 100 or happens(chance, 0.4) or asked >= NOW:  # noqa: PLR2004 (1 yuan at least)
            return None
        end = pick(chance, PAYOUT_ENDS)
        if end == "cancelled":
            closed = asked + 10 * MINUTE
            status = end if closed < NOW else "requested"
            return cls(deal=deal, amount=amount, asked=asked, status=status, sent=None,
                       closed=closed if closed < NOW else None)  # fmt: skip
        # Payouts are sent every day at two o'clock, and settled on the next one.
        sent = (asked // DAY + 1) * DAY + 2 * HOUR
        closed = sent + DAY
        if sent >= NOW:
            return cls(deal=deal, amount=amount, asked=asked, status="requested", sent=None, closed=None)
        if closed >= NOW:
            return cls(deal=deal, amount=amount, asked=asked, status="processing", sent=sent, closed=None)
        return cls(deal=deal, amount=amount, asked=asked, status=end, sent=sent, closed=closed)

    def entries(self) -> Iterator[Entry]:
        """Yield as Deal.entries."""
        yield self.owner, "withdrawal", -self.amount, self.asked
        if self.status in {"failed", "cancelled"} and self.closed:
            yield self.owner, "reversal", self.amount, self.closed


def method_kind(person: "Person") -> str:
    """Return what a person's account with a payment provider is: always the same."""
    place = person.number * 7919 % 100 / 100
    for kind, weight in METHODS:
        place -= weight
        if place < 0:
            return kind
    return METHODS[0][0]


def deal_of(chance: Random, keys: Keys, number: int, created: int, who: tuple["Person", "Gig"]) -> Deal:
    """Return the order of a client and a gig from a moment, with all that becomes of it until NOW."""
    client, gig = who
    package = chance.choice(gig.packages)
    end = pick(chance, ENDS)
    steps = [step for step in _steps(chance, end, created, package.days) if step[1] < NOW]
    quantity = chance.choice((1, 1, 1, 1, 1, 1, 2, 3))
    extra = chance.randrange(gig.extras) if gig.extras and happens(chance, 0.5) else None
    extras_amount = 0 if extra is None else extra_price(gig, extra)
    worth = package.price * quantity + extras_amount
    fee = (worth * FEE_PERCENT + 50) // 100
    total = worth + fee
    partial, partial_at = 0, 0
    if end == "dispute_partial" and steps[-1][0] == "completed":
        partial, partial_at = total * chance.randint(10, 60) // 100, steps[-1][1]
    elif end == "completed" and steps[-1][0] in {"delivered", "completed"} and happens(chance, 0.02):
        delivered = [at for status, at in steps if status == "delivered"][-1]
        partial, partial_at = total * chance.randint(5, 30) // 100, delivered + 10 * MINUTE
    completed = steps[-1][0] == "completed"
    stars = max(1, min(5, round(chance.gauss(gig.quality, 0.8)))) if completed and happens(chance, 0.7) else 0
    return Deal(
        number=number,
        key=keys("orders_order", number, created),
        client=client,
        gig=gig,
        package=package,
        end=end,
        steps=tuple(steps),
        quantity=quantity,
        extra=extra,
        extras_amount=extras_amount,
        fee=fee,
        # Some pay in round sums and keep the rest in their wallet.
        deposit=total if happens(chance, 0.7) else (total // 10_000 + 1) * 10_000,
        partial=partial,
        partial_at=partial_at,
        stars=stars,
        stars_back=chance.choice((4, 5, 5, 5)) if completed and happens(chance, 0.35) else 0,
        review_status=pick(chance, REVIEW_STATUSES),
    )


def extra_price(gig: "Gig", place: int) -> int:
    """Return the price of a gig's extra."""
    return max(1000, gig.packages[0].price // (4 + place))


def _steps(chance: Random, end: str, created: int, days: int) -> Iterator[Step]:
    at = created
    yield "pending_payment", at
    if end == "cancelled":
        yield "cancelled", at + int(chance.uniform(1, 48) * HOUR)
        return
    at += int(chance.uniform(3, 120) * MINUTE)
    yield "paid", at
    at += int(chance.uniform(1, 24) * HOUR)
    if end == "declined":
        yield "refunded", at
        return
    yield "in_progress", at
    at += int(days * chance.uniform(0.4, 1.2) * DAY)
    if end == "called_off":
        yield "refunded", at
        return
    yield "delivered", at
    for _ in range(chance.choice((0, 0, 0, 0, 1, 1, 2))):
        at += int(chance.uniform(1, 48) * HOUR)
        yield "revision", at
        at += int(chance.uniform(4, 72) * HOUR)
        yield "delivered", at
    at += int(chance.uniform(1, 72) * HOUR)
    if end.startswith("dispute"):
        yield "disputed", at
        at += int(chance.uniform(24, 120) * HOUR)
    yield ("refunded" if end == "dispute_refund" else "completed"), at
