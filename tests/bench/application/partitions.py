"""A month of a log, a million rows: its partition dropped, against DELETE.

As the tables' owner. The partition goes as `manage.py maintain_partitions` has it go, by DETACH and DROP; the archive
that it writes before is measured apart, since whoever deletes has to write one as well. DELETE leaves dead rows to
VACUUM, which is measured too, and writes each of them to the WAL (`full_page_writes`, `max_wal_size`).
"""

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from apps.common.partitions import archive

from tests.bench.application.host import Bench

TITLE = "A month of a log: partition dropped against DELETE"
# Half of what was seen.
LIMITS: Mapping[str, tuple[str, float]] = {"delete_over_drop": ("min", 2.0)}
ROWS, ROWS_SMALL = 1_000_000, 20_000
MONTHS = """
SELECT partman.create_partition_time('public.gigs_gigview', ARRAY['2019-01-01', '2019-02-01']::timestamptz[])
"""
# As superuser: foreign keys do not judge rows whose gigs and people are there.
FILL = """
SET session_replication_role = replica;
WITH gigs AS (SELECT array_agg(id) AS keys FROM (SELECT id FROM gigs_gig ORDER BY id LIMIT 5000) AS g),
    people AS (SELECT array_agg(id) AS keys FROM (SELECT id FROM accounts_user ORDER BY id LIMIT 5000) AS u)
INSERT INTO gigs_gigview (created_at, id, gig_id, viewer_id, session_digest, source)
SELECT month + n * interval '2 s', gen_random_uuid(), gigs.keys[1 + n % cardinality(gigs.keys)],
    people.keys[1 + n * 7 % cardinality(people.keys)], md5(n::text) || md5(n::text), 'search'
FROM gigs, people, CAST('{month} UTC' AS timestamptz) AS month, generate_series(1, {rows}) AS n;
"""
DELETE = "DELETE FROM gigs_gigview WHERE created_at >= '2019-02-01 UTC' AND created_at < '2019-03-01 UTC'"
DROPPED, DELETED = "gigs_gigview_p20190101", "gigs_gigview_p20190201"


def measure(bench: Bench, small: bool) -> dict[str, float]:
    """Seconds and WAL of both ways, of the archive before and of VACUUM after."""
    rows = ROWS_SMALL if small else ROWS
    people = bench.seed.rows
    bench.say(f"two months of {rows} views beside {people} rows of the seed")
    bench.rows("direct", MONTHS)
    for month in ("2019-01-01", "2019-02-01"):
        bench.server.sql("freelance_platform", FILL.format(rows=rows, month=month))
    bench.server.sql("freelance_platform", f"VACUUM ANALYZE {DROPPED}, {DELETED};")
    figures: dict[str, float] = {"rows": rows}

    def timed(name: str, *statements: str) -> None:
        bench.say(statements[0])
        bench.server.sql("postgres", "CHECKPOINT;")
        before = bench.wal_mib()
        figures[f"{name}_s"] = bench.seconds(lambda: [bench.rows("direct", statement) for statement in statements])
        figures[f"{name}_wal_mib"] = bench.wal_mib() - before

    timed("drop", f"ALTER TABLE gigs_gigview DETACH PARTITION {DROPPED}", f"DROP TABLE {DROPPED}")
    with tempfile.TemporaryDirectory() as folder:
        figures["archive_s"] = bench.seconds(partial(archive, "direct", DELETED, Path(folder)))
    timed("delete", DELETE)
    timed("vacuum", f"VACUUM {DELETED}")
    figures["delete_over_drop"] = figures["delete_s"] / figures["drop_s"]
    figures["delete_and_vacuum_over_drop"] = (figures["delete_s"] + figures["vacuum_s"]) / figures["drop_s"]
    return figures
