"""A million rows of a marketplace, seeded.

`manage.py seed_marketplace` inside this process: rows are made in Python and written by COPY as the tables' owner on
the direct endpoint, in one transaction, every CHECK, foreign key and rule judged. 18,000 people are a little more than
a million rows. The WAL is written to the disk (`fsync`), its full page images included (`max_wal_size`).
"""

from collections.abc import Mapping

from tests.bench.application.host import Bench

TITLE = "Seeding a million rows"
LIMITS: Mapping[str, tuple[str, float]] = {"million_rows_s": ("max", 90.0)}


def measure(bench: Bench, small: bool) -> dict[str, float]:  # noqa: ARG001 (the host's own size)
    """Rows, seconds, and what a million rows take at this rate."""
    seed = bench.seed
    return {
        "rows": seed.rows,
        "seed_s": seed.seconds,
        "rows_per_s": seed.rows / seed.seconds,
        "million_rows_s": seed.seconds / seed.rows * 1_000_000,
    }
