"""Full-text search against LIKE on 200,000 gigs.

`Gig.objects.active().search(text)`, its best 20 rows, by the application's role through PgBouncer: the 374 labelled
queries of `tests/app/data/search_queries.json`, on texts of the same making. Each one counts with the median of three
runs, and the figures are of all queries. LIKE asks a sample of them for the newest 20 rows. The table is larger than
`shared_buffers`; what is not there lies in the system's cache.
"""

import statistics
from collections import defaultdict
from collections.abc import Mapping
from functools import partial

import search_corpus
from apps.gigs.models import Gig
from django.db.models import Q

from tests.bench.application.host import Bench
from tests.bench.application.many_gigs import many_gigs

TITLE = "Search against LIKE"
# Against LIKE half of what was seen.
LIMITS: Mapping[str, tuple[str, float]] = {"search_median_ms": ("max", 50.0), "like_over_search": ("min", 4.5)}
ROWS, RUNS, LIKE_EVERY = 20, 3, 12


def best(text: str) -> list[Gig]:
    """What the application answers."""
    return list(Gig.objects.using("default").active().search(text)[:ROWS])


def holding(text: str) -> list[Gig]:
    """What it could answer without words."""
    gigs = Gig.objects.using("default").active().filter(Q(title__contains=text) | Q(description__contains=text))
    return list(gigs.order_by("-created_at")[:ROWS])


def measure(bench: Bench, small: bool) -> dict[str, float]:
    """Milliseconds of a search: median, 95th percentile and slowest, medians by kind of query; of LIKE the median."""
    many_gigs(bench)
    queries = search_corpus.load()[:: 10 if small else 1]
    bench.say(f"{len(queries)} searches")
    searched: dict[str, list[float]] = defaultdict(list)
    for query in queries:
        searched[query.kind].append(bench.median_ms(partial(best, query.text), RUNS))
    sample = queries[:: 2 if small else LIKE_EVERY]
    bench.say(f"{len(sample)} of them by LIKE")
    like = [bench.median_ms(partial(holding, query.text), 1) for query in sample]
    every = sorted(took for kind in searched.values() for took in kind)
    median, like_median = statistics.median(every), statistics.median(like)
    return {
        "gigs": Gig.objects.using("default").active().count(),
        "queries": len(every),
        "search_median_ms": median,
        "search_p95_ms": every[int(len(every) * 0.95)],
        "search_slowest_ms": every[-1],
        **{f"search_{kind}_median_ms": statistics.median(took) for kind, took in searched.items()},
        "like_median_ms": like_median,
        "like_over_search": like_median / median,
    }
