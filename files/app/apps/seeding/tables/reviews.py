"""Verdicts on finished orders, and what readers think of them."""

from collections.abc import Iterator
from functools import lru_cache
from random import Random

from apps.common.search.words import dictionary_version, tsvector
from apps.reviews.models import Review
from apps.seeding import texts
from apps.seeding.chance import DAY, HOUR, MINUTE, NOW, happens, later, moment
from apps.seeding.life import Deal
from apps.seeding.market import Market
from apps.seeding.table import Row, Table

VOTES_PER_REVIEW = 0.4
REPORTED = 0.005


def review_at(deal: Deal) -> int:
    """Return when an order is reviewed: within a day of its end."""
    ended = deal.steps[-1][1]
    return ended + min(deal.number * 7919 % 1440 * MINUTE, (NOW - ended) // 2)


def review_key(market: Market, deal: Deal, role: str) -> str:
    return market.keys("reviews_review", f"{deal.number}{role}", review_at(deal))


# Few texts, many reviews.
@lru_cache(maxsize=10_000)
def _words(content: str, reply_text: str) -> str:
    return tsvector(Review(content=content, reply_text=reply_text).search_texts())


def reviews(market: Market, chance: Random) -> Iterator[Row]:
    version = dictionary_version()
    for deal in market.deals:
        at = review_at(deal)
        for role, stars in (("client", deal.stars), ("freelancer", deal.stars_back)):
            if not stars:
                continue
            of_client = role == "client"
            status = deal.review_status if of_client else "published"
            said = chance.choice(texts.PRAISE[stars - 1] if of_client else texts.PRAISE_OF_CLIENT)
            content = said + (chance.choice(texts.PRAISE_MORE) if of_client else "")
            reply = chance.choice(texts.REPLIES) if of_client and happens(chance, 0.2) else ""
            parties = (deal.client, deal.gig.owner) if of_client else (deal.gig.owner, deal.client)
            parts = [max(1, min(5, stars + chance.choice((-1, 0, 0, 0, 1)))) for _ in range(3)]
            yield (
                review_key(market, deal, role), moment(at), moment(at), _words(content, reply), version, deal.key,
                deal.gig.key, parties[0].key, parties[1].key, role, stars, *parts, content,
                happens(chance, 0.1), status, moment(at) if status in {"published", "hidden"} else None, reply,
                moment(at + MINUTE) if reply else None,
            )  # fmt: skip


def _published(market: Market) -> list[Deal]:
    return [deal for deal in market.deals if deal.stars and deal.review_status == "published"]


def votes(market: Market, chance: Random) -> Iterator[Row]:
    seen: set[tuple[int, int]] = set()
    reviewed = _published(market)
    for _ in range(int(len(reviewed) * VOTES_PER_REVIEW)):
        deal, person = chance.choice(reviewed), chance.choice(market.people)
        at = later(chance, max(review_at(deal), person.joined), NOW)
        pair = (deal.number, person.number)
        if person is not deal.client and pair not in seen:
            seen.add(pair)
            key = market.keys("reviews_reviewhelpful", pair, at)
            yield key, moment(at), moment(at), review_key(market, deal, "client"), person.key, happens(chance, 0.85)


def reports(market: Market, chance: Random) -> Iterator[Row]:
    for deal in _published(market):
        if not happens(chance, REPORTED):
            continue
        at = later(chance, review_at(deal), NOW)
        handled = at + chance.randint(1, 72) * HOUR
        done = handled < NOW
        yield (
            market.keys("reviews_reviewreport", deal.number, at), moment(at), moment(handled if done else at),
            deal.gig.owner.key, "abuse", "", "dismissed" if done else "open",
            chance.choice(market.staff).key if done else None, moment(handled) if done else None,
            "已核实。" if done else "", review_key(market, deal, "client"),
        )  # fmt: skip


def invitations(market: Market, _: Random) -> Iterator[Row]:
    for deal in market.deals:
        if deal.status != "completed":
            continue
        at = deal.steps[-1][1]
        expires = at + 15 * DAY
        status = "completed" if deal.stars else "expired" if expires < NOW else "sent"
        yield (
            market.keys("reviews_reviewinvitation", deal.number, at), moment(at), moment(at), deal.key,
            deal.client.key, review_key(market, deal, "client") if deal.stars else None, status, moment(at), 0,
            moment(expires),
        )  # fmt: skip


TABLES = (
    Table(
        "reviews_review",
        "id created_at updated_at search_vector search_version order_id gig_id author_id subject_id author_role"
        " rating_overall rating_communication rating_quality rating_timeliness content is_anonymous status"
        " published_at reply_text replied_at",
        reviews,
    ),
    Table("reviews_reviewhelpful", "id created_at updated_at review_id user_id is_helpful", votes),
    Table(
        "reviews_reviewreport",
        "id created_at updated_at reporter_id reason details status handled_by_id handled_at resolution review_id",
        reports,
    ),
    Table(
        "reviews_reviewinvitation",
        "id created_at updated_at order_id invitee_id review_id status sent_at reminders_sent expires_at",
        invitations,
    ),
)
