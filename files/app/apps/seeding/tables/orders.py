"""Orders with their history, and the work on them."""

import json
from collections.abc import Iterator
from random import Random

from apps.seeding import texts
from apps.seeding.chance import DAY, HOUR, MINUTE, NOW, happens, moment, yuan
from apps.seeding.life import Deal, extra_price
from apps.seeding.market import Market, Person
from apps.seeding.table import Row, Table
from apps.seeding.tables.gigs import extra, extra_key, question, requirement_key

# Odd and no multiple of five: each order has another number of ten digits.
NUMBER_STEP = 7_393_913_207
BY_CLIENT = frozenset({"pending_payment", "paid", "revision", "completed", "cancelled", "disputed"})


def orders(market: Market, _: Random) -> Iterator[Row]:
    for deal in market.deals:
        created, changed = moment(deal.created), moment(deal.steps[-1][1])
        started, paid = deal.at("in_progress"), deal.at("paid")
        yield (
            deal.key, created, changed, number(deal), deal.client.key, deal.gig.owner.key, deal.gig.key,
            deal.package.key, deal.status, yuan(deal.package.price), deal.quantity, yuan(deal.fee),
            yuan(deal.extras_amount), "CNY", texts.ANSWERS[deal.number % len(texts.ANSWERS)],
            moment(started + deal.package.days * DAY) if started else None, moment(paid) if paid else None,
            changed if deal.status == "completed" else None,
        )  # fmt: skip


def number(deal: Deal) -> str:
    """Return the number that people read out: day in China and ten digits."""
    return f"FP{moment(deal.created + 8 * HOUR):%y%m%d}{(deal.number + 1) * NUMBER_STEP % 10**10:010d}"


def history(market: Market, _: Random) -> Iterator[Row]:
    for deal in market.deals:
        before = ""
        for place, (status, at) in enumerate(deal.steps):
            by = deal.client if status in BY_CLIENT else deal.gig.owner
            if before == "disputed":
                by = judge(market, deal)
            key = market.keys("orders_orderstatushistory", f"{deal.number}-{place}", at)
            yield key, deal.key, before, status, by.key, "", moment(at)
            before = status


def order_extras(market: Market, _: Random) -> Iterator[Row]:
    for deal in market.deals:
        if deal.extra is not None:
            name, days = extra(deal.gig, deal.extra)
            created = moment(deal.created)
            yield (
                market.keys("orders_orderextra", deal.number, deal.created), created, created, deal.key,
                extra_key(market, deal.gig, deal.extra), name, yuan(extra_price(deal.gig, deal.extra)), 1, "CNY", days,
            )  # fmt: skip


def order_requirements(market: Market, chance: Random) -> Iterator[Row]:
    for deal in market.deals:
        paid = deal.at("paid")
        answered = paid if paid and happens(chance, 0.9) else None
        for place in range(deal.gig.questions):
            yield (
                market.keys("orders_orderrequirement", f"{deal.number}-{place}", deal.created), moment(deal.created),
                moment(answered or deal.created), deal.key, requirement_key(market, deal.gig, place),
                question(deal.gig, place), "text", place == 0, place,
                chance.choice(texts.ANSWERS) if answered else "", "", moment(answered) if answered else None,
            )  # fmt: skip


def deliveries(market: Market, chance: Random) -> Iterator[Row]:
    for deal in market.deals:
        delivered = 0
        for (status, at), (after, decided) in zip(deal.steps, [*deal.steps[1:], ("", 0)], strict=True):
            if status != "delivered":
                continue
            delivered += 1
            if after == "revision":
                verdict, decided_at = "revision_requested", moment(decided)
            elif deal.status == "completed":
                verdict, decided_at = "accepted", moment(deal.steps[-1][1])
            else:
                verdict, decided_at = "submitted", None
            files = [
                {"name": f"第{delivered}稿.zip", "url": f"https://media.example.com/delivery/{deal.number}-{delivered}",
                 "bytes": chance.randint(20_000, 90_000_000)}
            ]  # fmt: skip
            yield (
                market.keys("orders_delivery", f"{deal.number}-{delivered}", at), moment(at), decided_at or moment(at),
                deal.key, delivered, verdict, "已经完成，请查收。", json.dumps(files, ensure_ascii=False),
                "标题的颜色再深一点。" if after == "revision" else "", decided_at,
            )  # fmt: skip


def order_messages(market: Market, chance: Random) -> Iterator[Row]:
    for deal in market.deals:
        at = deal.created
        for place in range(min(int(chance.expovariate(0.5)), 20)):
            at += int(chance.uniform(5, 600) * MINUTE)
            if at >= NOW - HOUR:
                break
            sender = deal.client if place % 2 == 0 else deal.gig.owner
            read = at + chance.randint(1, 50) * MINUTE if happens(chance, 0.95) else None
            key = market.keys("orders_ordermessage", f"{deal.number}-{place}", at)
            yield key, deal.key, sender.key, chance.choice(texts.TALK), "", moment(read) if read else None, moment(at)


def judge(market: Market, deal: Deal) -> Person:
    """Return who of the staff decides about an order."""
    return market.staff[deal.number % len(market.staff)]


def dispute_key(market: Market, deal: Deal) -> str:
    at = deal.at("disputed")
    return market.keys("orders_orderdispute", deal.number, at or NOW)


def disputes(market: Market, chance: Random) -> Iterator[Row]:
    for deal in market.deals:
        at = deal.at("disputed")
        if at is None:
            continue
        closed = deal.steps[-1][1] if deal.status in {"completed", "refunded"} else None
        status = "resolved" if closed else "under_review" if at < NOW - DAY else "open"
        resolution, refund = "", 0
        if closed and deal.status == "refunded":
            resolution, refund = "refund", deal.total
        elif closed:
            resolution, refund = ("partial_refund", deal.partial) if deal.partial else ("release", 0)
        yield (
            dispute_key(market, deal), moment(at), moment(closed or at), deal.key, deal.client.key,
            chance.choice(("quality", "late", "not_as_agreed")), chance.choice(texts.COMPLAINTS), status, resolution,
            yuan(refund), "双方证据已核实。" if closed else "",
            None if status == "open" else judge(market, deal).key, moment(closed) if closed else None,
        )  # fmt: skip


def cancellations(market: Market, _: Random) -> Iterator[Row]:
    for deal in market.deals:
        if deal.status in {"cancelled", "refunded"} and deal.at("disputed") is None:
            (before, began), (_status, ended) = deal.steps[-2:]
            by = deal.gig.owner if before == "paid" else deal.client
            asked = ended - min(HOUR, (ended - began) // 2)
            yield (
                market.keys("orders_ordercancellation", deal.number, asked), moment(asked), moment(ended), deal.key,
                by.key, "cannot_deliver" if before == "paid" else "changed_mind", "", "accepted", "同意取消。",
                moment(ended),
            )  # fmt: skip


def review_requests(market: Market, chance: Random) -> Iterator[Row]:
    for deal in market.deals:
        if deal.status != "completed" or happens(chance, 0.7):
            continue
        asked = deal.steps[-1][1] + 5 * MINUTE
        expires = asked + 15 * DAY
        status = "reviewed" if deal.stars else "expired" if expires < NOW else "requested"
        yield (
            market.keys("orders_orderreview", deal.number, asked), moment(asked), moment(asked), deal.key,
            deal.gig.owner.key, deal.client.key, status, "合作愉快，欢迎评价！", 0, None, moment(expires),
        )  # fmt: skip


TABLES = (
    Table(
        "orders_order",
        "id created_at updated_at number client_id freelancer_id gig_id package_id status unit_price quantity"
        " service_fee extras_amount currency requirements_text due_at paid_at completed_at",
        orders,
    ),
    Table(
        "orders_orderstatushistory",
        "id order_id from_status to_status changed_by_id reason created_at",
        history,
    ),
    Table(
        "orders_orderextra",
        "id created_at updated_at order_id gig_extra_id name unit_price quantity currency additional_days",
        order_extras,
    ),
    Table(
        "orders_orderrequirement",
        "id created_at updated_at order_id gig_requirement_id question kind is_required sort_order answer"
        " answer_file_url answered_at",
        order_requirements,
    ),
    Table(
        "orders_delivery",
        "id created_at updated_at order_id number status message files feedback decided_at",
        deliveries,
    ),
    Table("orders_ordermessage", "id order_id sender_id body attachment_url read_at created_at", order_messages),
    Table(
        "orders_orderdispute",
        "id created_at updated_at order_id raised_by_id reason description status resolution refund_amount"
        " resolution_note handled_by_id closed_at",
        disputes,
    ),
    Table(
        "orders_ordercancellation",
        "id created_at updated_at order_id requested_by_id reason note status answer answered_at",
        cancellations,
    ),
    Table(
        "orders_orderreview",
        "id created_at updated_at order_id requested_by_id reviewer_id status message reminders reminded_at expires_at",
        review_requests,
    ),
)
