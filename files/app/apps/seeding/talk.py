"""Who talked with whom about what, and when each message was written."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.seeding.chance import DAY, HOUR, MINUTE, NOW, happens, later, zipf
from apps.seeding.life import Deal

if TYPE_CHECKING:
    from apps.seeding.market import Gig, Market, Person

MESSAGES_MAX = 60
SHARE_OF_DEALS, INQUIRIES_PER_PERSON = 0.6, 0.3


@dataclass(slots=True, kw_only=True, eq=False)
class Talk:
    """A conversation; the one who asks writes first, and both take turns."""

    key: str
    asks: "Person"
    about: "Gig | Deal"
    began: int
    gap: int
    messages: int

    def message_at(self, place: int) -> int:
        """Return when message `place` (from 0) was written: a later one later."""
        # Not on the beat: some part of the gap, which the place decides.
        return self.began + place * self.gap + place * 2_654_435_761 % 997 * self.gap // 2000

    def sender(self, place: int) -> "Person":
        return self.asks if place % 2 == 0 else self.answers

    @property
    def gig(self) -> "Gig | None":
        """The gig, where nothing was ordered yet."""
        return None if isinstance(self.about, Deal) else self.about

    @property
    def deal(self) -> "Deal | None":
        return self.about if isinstance(self.about, Deal) else None

    @property
    def answers(self) -> "Person":
        return self.about.gig.owner if isinstance(self.about, Deal) else self.about.owner

    @property
    def pair(self) -> tuple[str, str]:
        """The two people's keys in order."""
        low, high = sorted((self.asks.key, self.answers.key))
        return low, high


def talks_of(market: "Market") -> Iterator[Talk]:
    """Yield the conversations about orders, then those about gigs that nobody has ordered yet."""
    chance = market.keys.chance("talks")

    def talk(name: str, began: int, asks: "Person", about: "Gig | Deal") -> Talk:
        wanted = min(int(chance.paretovariate(1.2) * 2), MESSAGES_MAX)
        gap = int(chance.uniform(2, 300) * MINUTE)
        return Talk(
            key=market.keys("messaging_conversation", name, began), asks=asks, about=about, began=began, gap=gap,
            messages=max(1, min(wanted, (NOW - HOUR - began) // gap - 1)),
        )  # fmt: skip

    for deal in market.deals:
        began = deal.created + 5 * MINUTE
        if happens(chance, SHARE_OF_DEALS) and began < NOW - DAY:
            yield talk(f"order{deal.number}", began, deal.client, deal)
    gigs = market.on_sale
    hot = zipf(len(gigs), 1.0)
    seen: set[tuple[int, int]] = set()
    for _ in range(int(len(market.people) * INQUIRIES_PER_PERSON) if gigs else 0):
        gig, person = chance.choices(gigs, cum_weights=hot)[0], chance.choice(market.people)
        earliest = max(gig.published or NOW, person.joined)
        pair = (gig.number, person.number)
        if person is not gig.owner and pair not in seen and earliest < NOW - 2 * DAY:
            seen.add(pair)
            yield talk(f"gig{pair}", later(chance, earliest, NOW - 2 * DAY), person, gig)
