"""The rules of triggers that a seed does not let fire, each as a query that counts the rows which break it.

A trigger that is not named here stays on and judges every row itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.apps import apps

from apps.common.models import StatefulModel
from apps.orders.models import Order

# The state of an order when a row about it was written; "" before there was one.
STATE = """coalesce((SELECT h.to_status FROM orders_orderstatushistory AS h
        WHERE h.order_id = r.order_id AND h.created_at {upto} r.created_at
        ORDER BY h.created_at DESC, h.id DESC LIMIT 1), '')"""
WRITTEN = STATE.format(upto="<=")


@dataclass(frozen=True)
class Rule:
    """`triggers` of `table` are off while it is filled; `broken` is a query for one number."""

    table: str
    triggers: tuple[str, ...]
    broken: str
    parameters: tuple[object, ...] = ()


def steps(model: type[StatefulModel]) -> list[str]:
    """Return the legal steps as "before>after"."""
    return [f"{before}>{after}" for before, nexts in model.TRANSITIONS.items() for after in nexts]


def status_rules() -> list[Rule]:
    """A row is written in the state that it came to: one that a new row can come to."""
    rules = []
    for model in apps.get_models():
        if issubclass(model, StatefulModel):
            table = model._meta.db_table
            reached = {status: None for nexts in model.TRANSITIONS.values() for status in nexts}
            query = f"SELECT count(*) FROM {table} WHERE NOT status = ANY(%s)"  # noqa: S608 (name of a model)
            rules.append(Rule(table, (f"{table}_status_transition_on_insert",), query, (list(reached),)))
    return rules


ORDER_RULES = (
    Rule(
        "orders_order",
        ("orders_order_on_sale",),
        """
        SELECT count(*) FROM orders_order AS o JOIN gigs_gig AS g ON g.id = o.gig_id
            JOIN gigs_gigpackage AS p ON p.id = o.package_id
        WHERE g.status NOT IN ('active', 'paused', 'archived') OR g.published_at > o.created_at OR NOT p.is_active
        """,
    ),
    Rule(
        "orders_order",
        ("orders_order_history_on_insert",),
        """
        SELECT count(*) FROM orders_order AS o LEFT JOIN (
            SELECT order_id, (array_agg(to_status ORDER BY created_at DESC, id DESC))[1] AS last,
                min(created_at) AS first_at, max(created_at) AS last_at
            FROM orders_orderstatushistory GROUP BY order_id) AS h ON h.order_id = o.id
        WHERE h.last IS DISTINCT FROM o.status OR h.first_at <> o.created_at OR h.last_at <> o.updated_at
        """,
    ),
    Rule(
        "orders_orderstatushistory",
        (),
        """
        SELECT count(*) FROM (
            SELECT from_status, to_status, lag(to_status, 1, '') OVER (PARTITION BY order_id ORDER BY created_at, id)
                AS before FROM orders_orderstatushistory) AS h
        WHERE from_status <> before OR NOT from_status || '>' || to_status = ANY(%s)
        """,
        (steps(Order),),
    ),
    Rule(
        "orders_order",
        ("orders_order_adds_extras",),
        """
        SELECT count(*) FROM orders_order AS o LEFT JOIN (
            SELECT order_id, sum(amount) AS amount FROM orders_orderextra GROUP BY order_id) AS e ON e.order_id = o.id
        WHERE o.extras_amount <> coalesce(e.amount, 0)
        """,
    ),
    Rule(
        "orders_orderextra",
        ("orders_orderextra_check", "orders_orderextra_add_up"),
        """
        SELECT count(*) FROM orders_orderextra AS r JOIN orders_order AS o ON o.id = r.order_id
            JOIN gigs_gigextra AS e ON e.id = r.gig_extra_id
        WHERE e.gig_id <> o.gig_id OR NOT e.is_active OR r.created_at >= o.paid_at
        """,
    ),
    Rule(
        "orders_delivery",
        ("orders_delivery_order_is_in_work",),
        # Before: the delivery itself takes the order on.
        f"SELECT count(*) FROM orders_delivery AS r WHERE {STATE.format(upto='<')} NOT IN ('in_progress', 'revision')",  # noqa: S608 (from above)
    ),
    Rule(
        "orders_orderdispute",
        ("orders_orderdispute_order_is_in_work_or_delivered",),
        f"""
        SELECT count(*) FROM orders_orderdispute AS r
        WHERE {WRITTEN} NOT IN ('in_progress', 'delivered', 'revision', 'disputed')
        """,  # noqa: S608 (from above)
    ),
    Rule(
        "orders_ordercancellation",
        ("orders_ordercancellation_order_is_not_over",),
        f"""
        SELECT count(*) FROM orders_ordercancellation AS r
        WHERE {WRITTEN} NOT IN ('pending_payment', 'paid', 'in_progress', 'delivered', 'revision', 'disputed')
        """,  # noqa: S608 (from above)
    ),
)
MONEY_RULES = (
    Rule(
        "payments_wallet",
        ("payments_wallet_opens_empty",),
        """
        SELECT count(*) FROM payments_wallet AS w LEFT JOIN (
            SELECT wallet_id, sum(amount) AS amount, min(created_at) AS first_at FROM payments_transaction
            GROUP BY wallet_id) AS t ON t.wallet_id = w.id
        WHERE w.balance <> coalesce(t.amount, 0) OR w.created_at > t.first_at
        """,
    ),
    Rule(
        "payments_transaction",
        ("payments_transaction_post",),
        # At no moment less than nothing: entries of one moment count together, as income and the fee taken off it.
        """
        SELECT count(*) FROM (
            SELECT sum(amount) OVER (PARTITION BY wallet_id ORDER BY created_at) AS balance
            FROM payments_transaction) AS t
        WHERE balance < 0
        """,
    ),
    Rule(
        "orders_order",
        # It fires on changes alone: a copied row would pass it.
        (),
        """
        SELECT count(*) FROM orders_order AS o LEFT JOIN payments_escrow AS e ON e.order_id = o.id
        WHERE e.status IS DISTINCT FROM CASE o.status
            WHEN 'pending_payment' THEN NULL WHEN 'cancelled' THEN NULL
            WHEN 'completed' THEN 'released' WHEN 'refunded' THEN 'refunded' ELSE 'held' END
            OR e.amount <> o.total_amount
        """,
    ),
    Rule(
        "payments_escrow",
        (),
        """
        SELECT count(*) FROM payments_escrow AS e LEFT JOIN (
            SELECT order_id, sum(amount) FILTER (WHERE kind IN ('payment', 'refund', 'income')) AS moved,
                sum(amount) FILTER (WHERE kind = 'fee') AS fee, sum(amount) FILTER (WHERE kind = 'refund') AS refunded
            FROM payments_transaction GROUP BY order_id) AS t ON t.order_id = e.order_id
        WHERE (e.held_amount, e.fee_amount, e.refunded_amount)
            IS DISTINCT FROM (-t.moved, coalesce(-t.fee, 0), coalesce(t.refunded, 0))
        """,
    ),
    Rule(
        "payments_paymentrefund",
        (),
        """
        SELECT count(*) FROM payments_paymentrefund AS r LEFT JOIN payments_transaction AS t ON t.id = r.transaction_id
        WHERE r.status = 'completed' AND (t.kind, t.amount) IS DISTINCT FROM ('refund', r.amount)
        """,
    ),
    Rule(
        "payments_withdrawal",
        (),
        """
        SELECT count(*) FROM payments_withdrawal AS w JOIN payments_transaction AS t ON t.id = w.transaction_id
            LEFT JOIN payments_transaction AS back ON back.id = w.reversal_id
        WHERE (t.kind, t.amount) <> ('withdrawal', -w.amount) OR (back.kind, back.amount) <> ('reversal', w.amount)
        """,
    ),
    Rule(
        "payments_payoutbatch",
        (),
        """
        SELECT count(*) FROM payments_payoutbatch AS b LEFT JOIN (
            SELECT batch_id, kind, count(*) AS count, sum(amount) AS amount, bool_or(status = 'processing') AS waits
            FROM payments_withdrawal GROUP BY batch_id, kind) AS w ON w.batch_id = b.id
        WHERE (w.kind, w.count, w.amount, w.waits)
            IS DISTINCT FROM (b.kind, b.withdrawal_count, b.total_amount, b.status = 'submitted')
        """,
    ),
    Rule(
        "payments_transaction",
        (),
        # Every cent that came in is in a wallet, in escrow, a fee, or on its way out.
        """
        SELECT count(*) FROM (SELECT
            (SELECT coalesce(sum(amount), 0) FROM payments_transaction WHERE kind = 'deposit')
            - (SELECT coalesce(sum(balance), 0) FROM payments_wallet)
            - (SELECT coalesce(sum(held_amount + fee_amount), 0) FROM payments_escrow)
            - (SELECT coalesce(sum(amount), 0) FROM payments_withdrawal
                WHERE status IN ('requested', 'processing', 'paid')) AS lost) AS money
        WHERE lost <> 0
        """,
    ),
)
MESSAGE_RULES = (
    Rule(
        "messaging_conversation",
        ("messaging_conversation_begin_empty",),
        """
        SELECT count(*) FROM messaging_conversation AS c LEFT JOIN (
            SELECT conversation_id, count(*) AS count, max(number) AS last, max(created_at) AS last_at
            FROM messaging_message GROUP BY conversation_id) AS m ON m.conversation_id = c.id
        WHERE (m.count, m.last, m.last_at)
            IS DISTINCT FROM (c.last_message_number, c.last_message_number, c.last_message_at)
        """,
    ),
    Rule(
        "messaging_message",
        ("messaging_message_take_number", "messaging_message_count"),
        """
        SELECT count(*) FROM (
            SELECT m.sender_id, m.created_at, c.participant_low_id AS low, c.participant_high_id AS high,
                lag(m.created_at) OVER (PARTITION BY m.conversation_id ORDER BY m.number) AS before
            FROM messaging_message AS m JOIN messaging_conversation AS c ON c.id = m.conversation_id) AS m
        WHERE sender_id NOT IN (low, high) OR before > created_at OR EXISTS (
            SELECT FROM messaging_blockeduser AS b
            WHERE (b.blocker_id, b.blocked_id) IN ((low, high), (high, low)) AND b.created_at <= m.created_at)
        """,
    ),
)


def rules() -> Sequence[Rule]:
    """Return every rule."""
    return (*status_rules(), *ORDER_RULES, *MONEY_RULES, *MESSAGE_RULES)
