"""A seeded marketplace whose biggest tables have a million rows: what happened there, many times over."""

# The months that a seed and its copies fall into: its clock stands still on 2026-07-01.
MONTHS = """
SELECT partman.create_partition_time(parent_table,
    ARRAY(SELECT generate_series('2025-01-01'::timestamptz, '2026-10-01', interval '1 month')))
FROM partman.part_config;
"""

# As superuser: triggers and foreign keys do not judge the copies one by one, they differ from what was judged by their
# moment alone. Some minutes apart, so that hot gigs stay hot and busy people busy.
COPIES = """
SET session_replication_role = replica;
INSERT INTO gigs_gigview (created_at, id, gig_id, viewer_id, session_digest, source)
SELECT created_at + n * interval '13 minutes', gen_random_uuid(), gig_id, viewer_id, session_digest, source
FROM gigs_gigview, generate_series(1, (SELECT 1000000 / count(*) FROM gigs_gigview)) AS n;
INSERT INTO messaging_message (id, created_at, updated_at, conversation_id, sender_id, number, body, read_at)
SELECT gen_random_uuid(), created_at + n * interval '11 minutes', updated_at, conversation_id, sender_id,
    number + 1000 * n, body, read_at + n * interval '11 minutes'
FROM messaging_message, generate_series(1, (SELECT 1000000 / count(*) FROM messaging_message)) AS n
ORDER BY 2;  -- as they come in life, where a seed writes one conversation after the other
-- Few quarrel in a seed. Where many do, the staff has a queue.
INSERT INTO orders_orderdispute (created_at, order_id, raised_by_id, reason, description, status, resolution,
    refund_amount, resolution_note)
SELECT created_at + interval '5 days', id, client_id, 'quality', repeat('与约定不符', 3), 'open', '', 0, ''
FROM orders_order AS o WHERE NOT EXISTS (SELECT FROM orders_orderdispute WHERE order_id = o.id) LIMIT 2000;
-- What waits in the GIN indexes' lists is put in its place: a long list makes a search by them look dear.
VACUUM gigs_gig, accounts_user, accounts_userprofile, reviews_review;
ANALYZE;
"""
