"""The whole migration history, from an empty database.

As the tables' owner on the direct endpoint, by `manage.py migrate` inside this process; the median of several empty
databases. It is what a new environment pays once. Each migration is a transaction, so `synchronous_commit` counts.
"""

import statistics
from collections.abc import Mapping
from functools import partial

from django.core.management import call_command

from tests.bench.application.host import Bench

TITLE = "Migration history from empty"
# Twice what was seen.
LIMITS: Mapping[str, tuple[str, float]] = {"history_s": ("max", 18.0)}
RUNS = 3


def measure(bench: Bench, small: bool) -> dict[str, float]:
    """Seconds of all migrations together, and how many there are."""
    seconds = []
    for run in range(1 if small else RUNS):
        bench.say(f"empty database {run + 1}")
        with bench.database("empty") as alias:
            seconds.append(bench.seconds(partial(call_command, "migrate", database=alias, verbosity=0)))
            ((migrations,),) = bench.rows(alias, "SELECT count(*) FROM django_migrations")
    whole = statistics.median(seconds)
    return {"history_s": whole, "migrations": migrations, "one_migration_ms": 1000 * whole / migrations}
