"""Who is in the marketplace and what they offer: what every table of a seed is written from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from random import Random

from apps.seeding import texts
from apps.seeding.chance import BEGINS, DAY, HOUR, NOW, Keys, later, pick, zipf
from apps.seeding.life import Deal, Package, Payout, deal_of
from apps.seeding.talk import Talk, talks_of

PEOPLE_PER_STAFF = 1000
DEALS_PER_PERSON = 1.2
TIERS = (("basic", "基础版", 1), ("standard", "标准版", 2), ("premium", "高级版", 4))
# Nobody is "erased": such an account has been emptied.
STATUSES = (("active", 0.93), ("pending", 0.02), ("suspended", 0.02), ("deactivated", 0.03))
KINDS = (("client", 0.62), ("freelancer", 0.23), ("both", 0.15))
GIG_STATUSES = (
    ("active", 0.8), ("paused", 0.06), ("archived", 0.04), ("draft", 0.05), ("pending_review", 0.03),
    ("rejected", 0.02),
)  # fmt: skip
# Orders of a gig that is on rank n go as 1 / n^exponent, those of a client likewise.
GIG_EXPONENT, CLIENT_EXPONENT = 1.0, 0.6


@dataclass(frozen=True, slots=True)
class Leaf:
    """A category that gigs are in, with the field of skills of its top category."""

    key: str
    name: str
    area: str


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What the fixtures brought."""

    leaves: Sequence[Leaf]
    skills: dict[str, list[str]]


@dataclass(slots=True, kw_only=True, eq=False)
class Person:
    number: int
    key: str
    joined: int
    kind: str
    status: str
    area: str
    name: str
    pinyin: str
    headline: str
    is_staff: bool
    has_wallet: int = NOW
    balance: int = 0

    @property
    def offers(self) -> bool:
        """Whether the person is a freelancer with gigs."""
        return self.kind != "client" and self.status != "pending"

    def post(self, cents: int, at: int) -> None:
        """Count an entry of the ledger."""
        self.balance += cents
        self.has_wallet = min(self.has_wallet, at)


@dataclass(slots=True, kw_only=True, eq=False)
class Gig:
    """`published` is None for what was never on sale; orders come until `closed`."""

    number: int
    key: str
    owner: Person
    leaf: Leaf
    created: int
    published: int | None
    closed: int
    status: str
    quality: float
    packages: tuple[Package, ...]
    extras: int
    questions: int
    stars: int = 0
    ratings: int = 0


@dataclass(kw_only=True)
class Market:
    """People by the moment they joined, gigs by owner, deals in the order in which they came about."""

    keys: Keys
    catalogue: Catalogue
    staff: list[Person] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    gigs: list[Gig] = field(default_factory=list)
    deals: list[Deal] = field(default_factory=list)
    payouts: list[Payout] = field(default_factory=list)

    @cached_property
    def on_sale(self) -> list[Gig]:
        """The gigs that could be ordered once, hot ones first."""
        by_heat = self.keys.chance("heat of gigs").sample(self.gigs, len(self.gigs))
        return [gig for gig in by_heat if gig.published is not None]

    @cached_property
    def talks(self) -> list[Talk]:
        """The conversations."""
        return list(talks_of(self))

    @property
    def accounts(self) -> list[Person]:
        """Staff and people."""
        return self.staff + self.people

    @classmethod
    def made(cls, seed: int, users: int, catalogue: Catalogue) -> "Market":
        """Plan a marketplace of so many people. About 3 kB of memory for each."""
        market = cls(keys=Keys(seed), catalogue=catalogue)
        market._add_people(users)
        market._add_gigs()
        market._add_deals(int(users * DEALS_PER_PERSON))
        return market

    def _add_people(self, users: int) -> None:
        chance = self.keys.chance("people")
        numbers = count()
        for _ in range(2 + users // PEOPLE_PER_STAFF):
            self.staff.append(self._person(chance, next(numbers), BEGINS, is_staff=True))
        # Three days before the end: so everybody had the time for a first step.
        for joined in sorted(later(chance, BEGINS + HOUR, NOW - 3 * DAY) for _ in range(users)):
            self.people.append(self._person(chance, next(numbers), joined, is_staff=False))

    def _person(self, chance: Random, number: int, joined: int, *, is_staff: bool) -> Person:
        family, family_pinyin = chance.choices(texts.SURNAMES, _SURNAME_WEIGHTS)[0]
        syllables = chance.choices(texts.GIVEN_SYLLABLES, k=chance.choice((1, 2, 2, 2)))
        area = chance.choice(sorted(self.catalogue.skills))
        job = chance.choice(texts.JOB_TITLES[area])
        return Person(
            number=number,
            key=self.keys("accounts_user", number, joined),
            joined=joined,
            kind="client" if is_staff else pick(chance, KINDS),
            status="active" if is_staff else pick(chance, STATUSES),
            area=area,
            name=family + "".join(syllable for syllable, _ in syllables),
            pinyin=family_pinyin + "".join(pinyin for _, pinyin in syllables),
            headline=f"{chance.choice(texts.STYLES)}{job}，{chance.choice(texts.BENEFITS)}",
            is_staff=is_staff,
        )

    def _add_gigs(self) -> None:
        chance = self.keys.chance("gigs")
        by_area: dict[str, list[Leaf]] = {}
        for leaf in self.catalogue.leaves:
            by_area.setdefault(leaf.area, []).append(leaf)
        for person in self.people:
            if not person.offers:
                continue
            # Most have one or two, few have many.
            for _ in range(min(int(chance.paretovariate(1.6)), 40)):
                self.gigs.append(self._gig(chance, person, by_area.get(person.area) or list(self.catalogue.leaves)))

    def _gig(self, chance: Random, owner: Person, leaves: Sequence[Leaf]) -> Gig:
        number = len(self.gigs)
        created = owner.joined + int(chance.random() * (NOW - DAY - owner.joined) * 0.5) + HOUR
        status = pick(chance, GIG_STATUSES)
        on_sale = status in {"active", "paused", "archived"}
        published = created + int(chance.uniform(1, 20) * HOUR) if on_sale else None
        closed = NOW if status == "active" else created + int((NOW - created) * chance.uniform(0.7, 0.95))
        price = max(20, min(50_000, int(chance.lognormvariate(5.7, 0.9)))) * 100
        return Gig(
            number=number,
            key=self.keys("gigs_gig", number, created),
            owner=owner,
            leaf=chance.choice(leaves),
            created=created,
            published=published,
            closed=closed,
            status=status,
            quality=min(4.9, chance.gauss(4.3, 0.5)),
            packages=tuple(
                Package(self.keys("gigs_gigpackage", f"{number}{tier}", created), tier, price * times, 2 + 3 * times)
                for tier, _, times in TIERS[: chance.choice((1, 2, 3, 3))]
            ),
            extras=chance.choice((0, 0, 1, 2)),
            questions=chance.choice((1, 1, 2, 3)),
        )

    def _add_deals(self, wanted: int) -> None:
        chance = self.keys.chance("deals")
        gigs = [gig for gig in self.on_sale if gig.published and gig.published < gig.closed - DAY]
        clients = [person for person in self.people if person.status != "pending"]
        if not gigs or len(clients) < 2:  # noqa: PLR2004 (two people make a deal)
            return
        chance.shuffle(clients)
        hot, busy = zipf(len(gigs), GIG_EXPONENT), zipf(len(clients), CLIENT_EXPONENT)
        chosen = []
        for gig, client in zip(
            chance.choices(gigs, cum_weights=hot, k=wanted), chance.choices(clients, cum_weights=busy, k=wanted),
            strict=True,
        ):  # fmt: skip
            earliest = max(gig.published or NOW, client.joined) + HOUR
            if client is not gig.owner and earliest < gig.closed - HOUR:
                chosen.append((later(chance, earliest, gig.closed - HOUR), gig, client))
        for created, gig, client in sorted(chosen, key=lambda deal: deal[0]):
            deal = deal_of(chance, self.keys, len(self.deals), created, (client, gig))
            self.deals.append(deal)
            self._post(deal)
            if deal.stars and deal.review_status == "published":
                gig.stars += deal.stars
                gig.ratings += 1
            payout = Payout.after(chance, deal)
            if payout:
                self.payouts.append(payout)
                self._post(payout)

    @staticmethod
    def _post(of: Deal | Payout) -> None:
        for person, _, cents, at in of.entries():
            person.post(cents, at)


_SURNAME_WEIGHTS = [1 / (rank + 4) for rank in range(len(texts.SURNAMES))]
