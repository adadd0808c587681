"""Gigs with their parts, and who looked for them, at them, and after them."""

import json
from collections.abc import Iterator
from random import Random

from apps.common.search.words import dictionary_version, tsvector
from apps.gigs.models import Gig as GigModel
from apps.seeding import texts
from apps.seeding.chance import HOUR, NOW, happens, later, moment, pick, yuan, zipf
from apps.seeding.life import extra_price
from apps.seeding.market import GIG_EXPONENT, TIERS, Gig, Market, Person
from apps.seeding.table import Row, Table

VIEWS_PER_PERSON, FAVORITES_PER_PERSON, SEARCHES_PER_PERSON = 8, 1, 2
TIER_NAMES = {tier: name for tier, name, _ in TIERS}
SOURCES = (
    ("search", 0.4), ("category", 0.2), ("recommendation", 0.2), ("share", 0.08), ("profile", 0.05),
    ("favorite", 0.04), ("direct", 0.03),
)  # fmt: skip
REPORTS_SHARE = 0.01


def gigs(market: Market, chance: Random) -> Iterator[Row]:
    version = dictionary_version()
    for gig in market.gigs:
        style, deed = chance.choice(texts.STYLES), chance.choice(texts.DEEDS)
        benefit = chance.choice(texts.BENEFITS)
        title = chance.choice((f"{style}{gig.leaf.name}{deed}", f"{gig.leaf.name}{deed}｜{benefit}"))
        sentences = "".join(chance.sample(texts.SENTENCES, chance.randint(2, 5)))
        made = GigModel(title=title, description=f"提供{style}{gig.leaf.name}{deed}。{sentences}")
        average = (200 * gig.stars + gig.ratings) // (2 * gig.ratings) if gig.ratings else 0
        created, published = moment(gig.created), moment(gig.published) if gig.published else None
        yield (
            gig.key, created, published or created, tsvector(made.search_texts()), version, gig.owner.key,
            gig.leaf.key, title, made.description, gig.status, f"https://media.example.com/gig/{gig.number}.jpg",
            yuan(average), gig.ratings, published,
        )  # fmt: skip


def packages(market: Market, chance: Random) -> Iterator[Row]:
    for gig in market.gigs:
        created = moment(gig.created)
        for package in gig.packages:
            yield (
                package.key, created, created, gig.key, package.tier, TIER_NAMES[package.tier],
                f"{gig.leaf.name}{TIER_NAMES[package.tier]}，{chance.choice(texts.BENEFITS)}",
                yuan(package.price), "CNY", package.days, chance.choice((1, 2, 3, None)), True,
            )  # fmt: skip


def question(gig: Gig, place: int) -> str:
    """Return what a gig asks of its clients."""
    return texts.QUESTIONS[(gig.number + place) % len(texts.QUESTIONS)]


def requirement_key(market: Market, gig: Gig, place: int) -> str:
    return market.keys("gigs_gigrequirement", f"{gig.number}-{place}", gig.created)


def requirements(market: Market, _: Random) -> Iterator[Row]:
    for gig in market.gigs:
        created = moment(gig.created)
        for place in range(gig.questions):
            yield (
                requirement_key(market, gig, place), created, created, gig.key, "text", question(gig, place), "[]",
                False, place == 0, place,
            )  # fmt: skip


def faqs(market: Market, chance: Random) -> Iterator[Row]:
    for gig in market.gigs:
        created = moment(gig.created)
        for place, (asked, answer) in enumerate(chance.sample(texts.FAQS, chance.choice((0, 1, 1, 2)))):
            key = market.keys("gigs_gigfaq", f"{gig.number}-{place}", gig.created)
            yield key, created, created, gig.key, asked, answer, place


def extra(gig: Gig, place: int) -> tuple[str, int]:
    """Return name and days of a gig's extra."""
    name, days = texts.EXTRAS[(gig.number + place) % len(texts.EXTRAS)]
    return name, days


def extra_key(market: Market, gig: Gig, place: int) -> str:
    return market.keys("gigs_gigextra", f"{gig.number}-{place}", gig.created)


def extras(market: Market, _: Random) -> Iterator[Row]:
    for gig in market.gigs:
        created = moment(gig.created)
        for place in range(gig.extras):
            name, days = extra(gig, place)
            yield (
                extra_key(market, gig, place), created, created, gig.key, name, "", yuan(extra_price(gig, place)),
                "CNY", days, True,
            )  # fmt: skip


def _encounters(market: Market, chance: Random, wanted: int) -> Iterator[tuple[Gig, Person, int]]:
    """Yield who came upon which gig, and when: hot gigs are met most."""
    gigs = market.on_sale
    hot = zipf(len(gigs), GIG_EXPONENT)
    for _ in range(wanted if gigs else 0):
        gig, person = chance.choices(gigs, cum_weights=hot)[0], chance.choice(market.people)
        earliest = max(gig.published or NOW, person.joined)
        if earliest < NOW - HOUR:
            yield gig, person, later(chance, earliest, NOW - HOUR)


def favorites(market: Market, chance: Random) -> Iterator[Row]:
    seen: set[tuple[int, int]] = set()
    for gig, person, at in _encounters(market, chance, len(market.people) * FAVORITES_PER_PERSON):
        pair = (gig.number, person.number)
        if person is not gig.owner and pair not in seen:
            seen.add(pair)
            key = market.keys("gigs_gigfavorite", pair, at)
            yield key, moment(at), moment(at), person.key, gig.key, gig.owner.key


def views(market: Market, chance: Random) -> Iterator[Row]:
    wanted = len(market.people) * VIEWS_PER_PERSON
    for number, (gig, person, at) in enumerate(_encounters(market, chance, wanted)):
        key = market.keys("gigs_gigview", number, at)
        viewer = person.key if happens(chance, 0.6) else None
        yield moment(at), key, gig.key, viewer, f"{chance.getrandbits(256):064x}", pick(chance, SOURCES)


def searches(market: Market, chance: Random) -> Iterator[Row]:
    leaves = market.catalogue.leaves
    hot = zipf(len(leaves), GIG_EXPONENT)
    for number in range(len(market.people) * SEARCHES_PER_PERSON):
        person = chance.choice(market.people)
        at = later(chance, person.joined, NOW)
        leaf = chance.choices(leaves, cum_weights=hot)[0]
        text = leaf.name if happens(chance, 0.6) else f"{chance.choice(texts.STYLES)}{leaf.name}"
        yield (
            moment(at), market.keys("gigs_gigsearchhistory", number, at),
            person.key if happens(chance, 0.7) else None, f"{chance.getrandbits(256):064x}", text,
            json.dumps({"category": leaf.key} if happens(chance, 0.3) else {}),
            min(int(chance.paretovariate(0.7)) - 1, 5000),
        )  # fmt: skip


def reports(market: Market, chance: Random) -> Iterator[Row]:
    seen: set[tuple[int, int]] = set()
    for gig, person, at in _encounters(market, chance, int(len(market.people) * REPORTS_SHARE) + 1):
        pair = (gig.number, person.number)
        if person is gig.owner or pair in seen:
            continue
        seen.add(pair)
        handled = at + chance.randint(1, 72) * HOUR
        status = "open" if handled >= NOW else chance.choice(("upheld", "dismissed"))
        done = status != "open"
        yield (
            market.keys("gigs_gigreport", pair, at), moment(at), moment(handled if done else at), person.key,
            chance.choice(("spam", "misleading", "infringement", "off_platform")), "", status,
            chance.choice(market.staff).key if done else None, moment(handled) if done else None,
            "已核实并处理。" if status == "upheld" else "未发现违规。" if done else "", gig.key, gig.owner.key, "[]",
        )  # fmt: skip


TABLES = (
    Table(
        "gigs_gig",
        "id created_at updated_at search_vector search_version freelancer_id category_id title description status"
        " cover_url rating_average rating_count published_at",
        gigs,
    ),
    Table(
        "gigs_gigpackage",
        "id created_at updated_at gig_id tier name description price currency delivery_days revisions is_active",
        packages,
    ),
    Table(
        "gigs_gigrequirement",
        "id created_at updated_at gig_id kind question options allows_several is_required sort_order",
        requirements,
    ),
    Table("gigs_gigfaq", "id created_at updated_at gig_id question answer sort_order", faqs),
    Table(
        "gigs_gigextra",
        "id created_at updated_at gig_id name description price currency additional_days is_active",
        extras,
    ),
    Table("gigs_gigfavorite", "id created_at updated_at user_id gig_id freelancer_id", favorites),
    Table("gigs_gigview", "created_at id gig_id viewer_id session_digest source", views),
    Table("gigs_gigsearchhistory", "created_at id user_id session_digest query_text filters result_count", searches),
    Table(
        "gigs_gigreport",
        "id created_at updated_at reporter_id reason details status handled_by_id handled_at resolution gig_id"
        " freelancer_id evidence_keys",
        reports,
    ),
)
