"""Daily figures of gigs and of money. Those of gigs stand here because they reach from views to the escrow."""

from apps.common.rollup import RollUp, on_the_day

GIGS = RollUp.upsert(
    table="gigs_gigstat",
    keys=("gig_id", "day"),
    figures=(
        "view_count", "visitor_count", "favorite_count", "order_count", "completed_order_count", "revenue_amount",
    ),
    # Views are only ever added. A count that was higher is of a month that was archived since: it stays.
    select=f"""
        WITH views AS (
            SELECT gig_id, count(*) AS view_count,
                count(DISTINCT coalesce(viewer_id::text, session_digest)) AS visitor_count
            FROM gigs_gigview WHERE {on_the_day("created_at")} GROUP BY gig_id),
        favorites AS (
            SELECT gig_id, count(*) AS favorite_count
            FROM gigs_gigfavorite WHERE {on_the_day("created_at")} GROUP BY gig_id),
        placed AS (
            SELECT gig_id, count(*) AS order_count
            FROM orders_order WHERE {on_the_day("created_at")} GROUP BY gig_id),
        completed AS (
            SELECT gig_id, count(*) AS completed_order_count, sum(released_amount) AS revenue_amount
            FROM orders_order AS o LEFT JOIN payments_escrow AS e ON e.order_id = o.id
            WHERE {on_the_day("completed_at")} GROUP BY gig_id),
        known AS (SELECT gig_id, view_count, visitor_count FROM gigs_gigstat WHERE day = %(day)s)
        SELECT gig_id, %(day)s, greatest(views.view_count, known.view_count, 0),
            greatest(views.visitor_count, known.visitor_count, 0), coalesce(favorite_count, 0),
            coalesce(order_count, 0), coalesce(completed_order_count, 0), coalesce(revenue_amount, 0)
        FROM views FULL JOIN favorites USING (gig_id) FULL JOIN placed USING (gig_id)
            FULL JOIN completed USING (gig_id) FULL JOIN known USING (gig_id)""",  # noqa: S608 (as in orders)
)  # fmt: skip

MONEY = RollUp.upsert(
    table="payments_paymentstat",
    keys=("day",),
    figures=(
        "deposit_count", "payment_count", "refund_count", "withdrawal_count", "deposit_amount", "payment_amount",
        "income_amount", "refund_amount", "fee_amount", "withdrawal_amount", "wallet_balance", "escrow_balance",
    ),
    # What the day ended with is what is there now, without what came later: the days before are not read.
    # A withdrawal that came back counts on the day when it left.
    select="""
        WITH entries AS (
            SELECT kind, abs(amount) AS size, created_at < %(until)s AS today,
                CASE WHEN created_at >= %(until)s THEN amount ELSE 0 END AS later,
                CASE WHEN created_at >= %(until)s AND kind IN ('payment', 'income', 'refund') THEN amount ELSE 0
                    END AS later_from_escrow
            FROM payments_transaction WHERE created_at >= %(start)s)
        SELECT %(day)s,
            count(*) FILTER (WHERE today AND kind = 'deposit'), count(*) FILTER (WHERE today AND kind = 'payment'),
            count(*) FILTER (WHERE today AND kind = 'refund'), count(*) FILTER (WHERE today AND kind = 'withdrawal'),
            coalesce(sum(size) FILTER (WHERE today AND kind = 'deposit'), 0),
            coalesce(sum(size) FILTER (WHERE today AND kind = 'payment'), 0),
            coalesce(sum(size) FILTER (WHERE today AND kind = 'income'), 0),
            coalesce(sum(size) FILTER (WHERE today AND kind = 'refund'), 0),
            coalesce(sum(size) FILTER (WHERE today AND kind = 'fee'), 0),
            coalesce(sum(size) FILTER (WHERE today AND kind = 'withdrawal'), 0),
            (SELECT coalesce(sum(balance), 0) FROM payments_wallet) - coalesce(sum(later), 0),
            (SELECT coalesce(sum(held_amount), 0) FROM payments_escrow) + coalesce(sum(later_from_escrow), 0)
        FROM entries""",
)  # fmt: skip

ROLL_UPS = (GIGS, MONEY)
