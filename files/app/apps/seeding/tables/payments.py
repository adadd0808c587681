"""Wallets and their ledger, escrow and refunds, accounts and withdrawals."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from random import Random

from apps.seeding.chance import DAY, HOUR, MINUTE, NOW, happens, moment, yuan
from apps.seeding.life import Deal, Payout, method_kind
from apps.seeding.market import Market, Person
from apps.seeding.table import Row, Table
from apps.seeding.tables.orders import dispute_key, judge, number

BATCH_MAX = 1000
BANKS = (("102100099996", "中国工商银行"), ("105100000017", "中国建设银行"), ("308584000013", "招商银行"))


def wallet_key(market: Market, person: Person) -> str:
    return market.keys("payments_wallet", person.number, person.has_wallet - MINUTE)


def wallets(market: Market, chance: Random) -> Iterator[Row]:
    for person in market.people:
        if person.has_wallet < NOW:
            opened = moment(person.has_wallet - MINUTE)
            status = "frozen" if happens(chance, 0.003) else "active"
            yield (
                wallet_key(market, person), opened, opened, person.key, yuan(person.balance), "CNY", status,
            )  # fmt: skip


def entry_key(market: Market, of: Deal | Payout, kind: str, at: int) -> str:
    return market.keys("payments_transaction", f"{_request(of)}{kind}", at)


def _request(of: Deal | Payout) -> str:
    """Return what the idempotency keys of an order or a withdrawal begin with."""
    return f"seed-order-{of.number}-" if isinstance(of, Deal) else f"seed-payout-{of.deal.number}-"


def transactions(market: Market, _: Random) -> Iterator[Row]:
    movements: list[Deal | Payout] = [*market.deals, *market.payouts]
    for of in movements:
        order, note = (of.key, number(of)) if isinstance(of, Deal) else (None, "")
        for person, kind, cents, at in of.entries():
            name = kind if kind != "refund" else refund_name(of, at)
            about = (None, "") if kind == "deposit" else (order, note)
            yield (
                entry_key(market, of, name, at), wallet_key(market, person), about[0], kind, yuan(cents), "CNY",
                f"{_request(of)}{name}", about[1], moment(at),
            )  # fmt: skip


def refund_name(of: Deal | Payout, at: int) -> str:
    """Return how a refund is told apart from the other one of its order: by whether it is the part or all."""
    return "refund-part" if isinstance(of, Deal) and of.refunded_part and at == of.partial_at else "refund-all"


def escrow_key(market: Market, deal: Deal) -> str:
    return market.keys("payments_escrow", deal.number, deal.at("paid") or NOW)


def escrows(market: Market, _: Random) -> Iterator[Row]:
    for deal in market.deals:
        paid = deal.at("paid")
        if paid is None:
            continue
        status, ended = deal.steps[-1]
        state = {"completed": "released", "refunded": "refunded"}.get(status, "held")
        income, fee = deal.released
        refunded = deal.total if state == "refunded" else deal.refunded_part
        closed = None if state == "held" else moment(ended)
        yield (
            escrow_key(market, deal), moment(paid), closed or moment(paid), deal.key, yuan(deal.total),
            yuan(refunded), yuan(income - fee), yuan(fee), "CNY", state, closed,
        )  # fmt: skip


def refunds(market: Market, _: Random) -> Iterator[Row]:
    for deal in market.deals:
        status, ended = deal.steps[-1]
        disputed = deal.at("disputed") is not None
        paid_back = [(deal.refunded_part, deal.partial_at)] if deal.refunded_part else []
        if status == "refunded":
            paid_back.append((deal.total, ended))
        for cents, at in paid_back:
            by_judge = disputed and at == ended
            asked = at - MINUTE
            name = refund_name(deal, at)
            yield (
                market.keys("payments_paymentrefund", f"{deal.number}{name}", asked), moment(asked), moment(at),
                escrow_key(market, deal), dispute_key(market, deal) if by_judge else None,
                judge(market, deal).key if by_judge else deal.client.key, entry_key(market, deal, name, at),
                yuan(cents), "CNY", "dispute" if by_judge else "cancellation" if status == "refunded" else "goodwill",
                "", "completed", moment(at),
            )  # fmt: skip


def method_key(market: Market, person: Person) -> str:
    return market.keys("payments_paymentmethod", person.number, person.joined + HOUR)


def methods(market: Market, chance: Random) -> Iterator[Row]:
    for person in market.people:
        # Every account that money came from or went to, and some that wait for their first order.
        if person.has_wallet == NOW and happens(chance, 0.8):
            continue
        kind = method_kind(person)
        code, bank = chance.choice(BANKS) if kind == "bank_card" else ("", "")
        added = person.joined + HOUR
        yield (
            method_key(market, person), moment(added), moment(added + HOUR), person.key, kind, "",
            f"{chance.randrange(10_000):04d}", code, bank, "active", True, moment(added + HOUR),
        )  # fmt: skip


def _batches(market: Market) -> dict[Payout, str]:
    """Return each payout that was sent with the key of its batch."""
    return {payout: key for key, _, _, together in _sent_together(market) for payout in together}


def _sent_together(market: Market) -> Iterator[tuple[str, str, int, list[Payout]]]:
    """Yield key, kind, moment and payouts of each batch: one kind and day, and not too many."""
    by_day: dict[tuple[int, str], list[Payout]] = defaultdict(list)
    for payout in market.payouts:
        if payout.sent:
            by_day[payout.sent, payout.kind].append(payout)
    for (sent, kind), waiting in sorted(by_day.items()):
        rest = iter(waiting)
        place = 0
        while together := list(islice(rest, BATCH_MAX)):
            yield market.keys("payments_payoutbatch", f"{kind}{place}", sent), kind, sent, together
            place += 1


def batches(market: Market, _: Random) -> Iterator[Row]:
    for key, kind, sent, together in _sent_together(market):
        settled = moment(sent + DAY) if sent + DAY < NOW else None
        yield (
            key, moment(sent), settled or moment(sent), kind, "settled" if settled else "submitted", len(together),
            yuan(sum(payout.amount for payout in together)), "CNY", settled,
        )  # fmt: skip


def withdrawals(market: Market, chance: Random) -> Iterator[Row]:
    batch_of = _batches(market)
    for payout in market.payouts:
        returned = payout.status in {"failed", "cancelled"}
        reversal = entry_key(market, payout, "reversal", payout.closed) if returned and payout.closed else None
        closed = moment(payout.closed) if payout.closed else None
        yield (
            market.keys("payments_withdrawal", payout.deal.number, payout.asked), moment(payout.asked),
            closed or moment(payout.asked), payout.owner.key, method_key(market, payout.owner),
            batch_of.get(payout), entry_key(market, payout, "withdrawal", payout.asked), reversal, payout.kind,
            yuan(payout.amount), "CNY", payout.status,
            f"{chance.getrandbits(96):024x}" if payout.status == "paid" else None,
            "账户异常" if payout.status == "failed" else "", closed,
        )  # fmt: skip


TABLES = (
    Table("payments_wallet", "id created_at updated_at user_id balance currency status", wallets),
    Table(
        "payments_transaction",
        "id wallet_id order_id kind amount currency idempotency_key note created_at",
        transactions,
    ),
    Table(
        "payments_escrow",
        "id created_at updated_at order_id amount refunded_amount released_amount fee_amount currency status closed_at",
        escrows,
    ),
    Table(
        "payments_paymentrefund",
        "id created_at updated_at escrow_id dispute_id requested_by_id transaction_id amount currency reason note"
        " status closed_at",
        refunds,
    ),
    Table(
        "payments_paymentmethod",
        "id created_at updated_at user_id kind label last_characters bank_code bank_name status is_default verified_at",
        methods,
    ),
    Table(
        "payments_payoutbatch",
        "id created_at updated_at kind status withdrawal_count total_amount currency settled_at",
        batches,
    ),
    Table(
        "payments_withdrawal",
        "id created_at updated_at user_id payment_method_id batch_id transaction_id reversal_id kind amount currency"
        " status provider_reference failure_reason closed_at",
        withdrawals,
    ),
)
