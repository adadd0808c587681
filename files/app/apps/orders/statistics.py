"""Daily figures of orders, counted from the history of their states."""

from apps.common.rollup import RollUp, on_the_day

ORDERS = RollUp.upsert(
    table="orders_orderstat",
    keys=("category_id", "day"),
    figures=(
        "placed_count", "paid_count", "delivered_count", "completed_count", "cancelled_count", "refunded_count",
        "disputed_count", "paid_amount", "completed_amount",
    ),
    # An order that is delivered twice, after a revision, counts twice.
    select=f"""
        WITH steps AS (
            SELECT category_id,
                count(*) FILTER (WHERE from_status = '') AS placed_count,
                count(*) FILTER (WHERE to_status = 'paid') AS paid_count,
                count(*) FILTER (WHERE to_status = 'delivered') AS delivered_count,
                count(*) FILTER (WHERE to_status = 'completed') AS completed_count,
                count(*) FILTER (WHERE to_status = 'cancelled') AS cancelled_count,
                count(*) FILTER (WHERE to_status = 'refunded') AS refunded_count,
                count(*) FILTER (WHERE to_status = 'disputed') AS disputed_count,
                sum(total_amount) FILTER (WHERE to_status = 'paid') AS paid_amount,
                sum(total_amount) FILTER (WHERE to_status = 'completed') AS completed_amount
            FROM orders_orderstatushistory AS h
                JOIN orders_order AS o ON o.id = h.order_id JOIN gigs_gig AS g ON g.id = o.gig_id
            WHERE {on_the_day("h.created_at")} GROUP BY category_id),
        known AS (SELECT category_id FROM orders_orderstat WHERE day = %(day)s)
        SELECT category_id, %(day)s, coalesce(placed_count, 0), coalesce(paid_count, 0), coalesce(delivered_count, 0),
            coalesce(completed_count, 0), coalesce(cancelled_count, 0), coalesce(refunded_count, 0),
            coalesce(disputed_count, 0), coalesce(paid_amount, 0), coalesce(completed_amount, 0)
        FROM steps FULL JOIN known USING (category_id)""",  # noqa: S608 (a condition of this application)
)  # fmt: skip

ROLL_UPS = (ORDERS,)
